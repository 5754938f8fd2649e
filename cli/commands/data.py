"""`tidemill data`: upload files, and see what became of them."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from cli import reading, show
from cli.commands import waiting
from cli.deployment import Deployment
from cli.options import STAGE, Json, Limit, ProjectName, Stage
from cli.uploading import push as upload_file

app = typer.Typer(no_args_is_help=True, help="Upload data; see dataset versions, uploads and quarantine.")

VERSIONS: list[show.Column] = [
    ("version", lambda row: f"v{row['version']}"),
    ("parent", lambda row: f"v{row['parent']}" if row["parent"] else None),
    ("rows", lambda row: f"{row['rows']:,}"),
    ("files", lambda row: row["files"]),
    ("MB", lambda row: f"{row['bytes'] / 1e6:.1f}"),
    ("identity", lambda row: row["identity"][:12]),
    ("at (UTC)", lambda row: show.when(row["at"])),
]
UPLOADS: list[show.Column] = [
    ("upload", lambda row: row["upload_id"]),
    ("file", lambda row: row["key"].split("/", 2)[-1]),
    ("state", lambda row: row["state"]),
    ("version", lambda row: f"v{row['dataset_version']}" if row.get("dataset_version") else None),
    ("code", lambda row: row.get("code")),
    ("at (UTC)", lambda row: show.when(row["at"])),
]


@app.command(
    epilog="Examples:  tidemill data push flights january.csv --wait   ·   "
    "tidemill data push diamonds new.csv --stage dev"
)
def push(
    project: ProjectName,
    file: Annotated[Path, typer.Argument(help="A CSV file with a header line, in UTF-8.")],
    name: Annotated[str | None, typer.Option(help="Its name under incoming/; default: the file's own.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Follow it through validation, training and release.")
    ] = False,
    minutes: Annotated[float, typer.Option(min=0.1, help="With --wait: give up after so many minutes.")] = 60,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Upload a file. The upload starts everything else: versioning, validation, training, release.

    With --wait the exit code is 0 when a model of this data serves (or when the same content was there before),
    and 1 when the file was quarantined, or the run was refused or failed.
    """
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    upload = upload_file(deployment.client("s3"), deployment.bucket, project, file, name)
    facts: dict[str, Any] = {"project": project, "key": upload.key, "upload_id": upload.upload_id}
    if wait:
        facts |= waiting.through(deployment, upload, seconds=minutes * 60, quiet=as_json)
    elif not as_json:
        show.out().print(
            f"uploaded {upload.key} as upload [bold]{upload.upload_id}[/bold]; "
            f"follow it with `tidemill data show {project} {upload.upload_id}`"
        )
    if as_json:
        show.print_json(facts)
    raise typer.Exit(0 if not wait else waiting.exit_code(facts))


@app.command(epilog="Example:  tidemill data log flights --json | jq '.versions[0].rows'")
def log(project: ProjectName, limit: Limit = 20, stage: Stage = STAGE, as_json: Json = False) -> None:
    """Dataset versions and uploads, the newest first."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    show.emit(reading.log(deployment.index, project, limit=limit), as_json=as_json, people=_log)


@app.command(
    name="show", epilog="Examples:  tidemill data show flights 2   ·   tidemill data show flights 0f3a9c…"
)
def show_one(
    project: ProjectName,
    what: Annotated[str, typer.Argument(metavar="VERSION|UPLOAD", help="A version's number or an upload's id.")],
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """One dataset version with its files and its difference from the parent, or one upload with its fate."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    number = what.lower().removeprefix("v")
    if number.isdigit() and len(number) < 10:
        facts = reading.version(deployment.index, deployment.objects, project, int(number))
        show.emit(facts, as_json=as_json, people=_version)
    else:
        facts = reading.upload(deployment.index, deployment.objects, project, what)
        show.emit(facts, as_json=as_json, people=_upload)


def _log(facts: dict[str, Any]) -> list[Any]:
    project = facts["project"]
    hint = f"none yet; upload a file with `tidemill data push {project} FILE`"
    return [
        show.table(f"Dataset versions of {project}", facts["versions"], VERSIONS, empty=hint),
        "",
        show.table("Uploads", facts["uploads"], UPLOADS, empty="no uploads"),
    ]


def _version(facts: dict[str, Any]) -> Group:
    row = facts
    pairs = [(heading, value(row)) for heading, value in VERSIONS]
    files = [
        (file["path"], f"{file['size']:,} bytes, sha256 {file['sha256'][:12]}")
        for file in row["manifest"]["files"]
    ]
    return Group(show.facts(f"Dataset version {row['version']}", pairs), show.facts("Files", files))


def _upload(facts: dict[str, Any]) -> Any:
    pairs = [(heading, value(facts)) for heading, value in UPLOADS]
    return show.facts(
        f"Upload {facts['upload_id']}", [*pairs, ("reason", facts.get("reason")), ("error", facts.get("error"))]
    )
