"""`tidemill data`: upload files, see what became of them, name versions and take them home."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from cli import news, progress, show, uploading, versions
from cli.commands import history, pull, tags, waiting
from cli.deployment import Deployment
from cli.news import News
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill.data.accept_version import UNKNOWN
from tidemill.data.uploads import UNCHANGED

app = typer.Typer(
    no_args_is_help=True, help="Upload data; see dataset versions and uploads; tag and download versions."
)


@app.command(
    epilog="Examples:  tidemill data push flights january.csv --wait   ·   "
    "tidemill data push flights 2013-05/ --reason 'May, corrected'"
)
def push(
    project: ProjectName,
    file: Annotated[
        Path,
        typer.Argument(help="A file (CSV, JSON Lines or Parquet, also compressed), or a folder: one batch."),
    ],
    name: Annotated[str | None, typer.Option(help="Its name under incoming/; default: its own.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the version.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Upload also what the newest version has already.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Follow it through validation, training and release.")
    ] = False,
    minutes: Annotated[float, typer.Option(min=0.1, help="With --wait: give up after so many minutes.")] = 60,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Upload a file or a folder. The upload starts everything else: versioning, validation, training, release.

    The files of a folder become one dataset version together. Files that the newest version has, under the same
    path and with the same content, are not uploaded again (where `mode` is `replace`: only if nothing else is
    news). With --wait the exit code is 0 when a model of this data serves (or when the same content was there
    before), and 1 when it was quarantined, or the run was refused or failed.
    """
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    found = News(uploading.wishes(file, name), 0, 0) if everything else None
    with progress.doing(f"comparing {file} with the newest version", quiet=as_json or everything):
        found = found or news.of(deployment, project, file, name)
    facts: dict[str, Any] = {"project": project, "files": len(found.wishes), "unchanged": found.unchanged}
    if not found.wishes:
        facts["upload"] = {"state": UNCHANGED, "dataset_version": found.version}
        show.emit(facts, as_json=as_json, people=_nothing_new)
        return
    total = sum(wish.size for wish in found.wishes)
    with progress.bytes_of(f"uploading {file}", total, quiet=as_json) as told:
        sent = uploading.push(
            deployment.client("s3"), deployment.bucket, project, file, name,
            only=found.wishes, reason=reason, progress=told,
        )  # fmt: skip
    upload = sent[-1]
    facts |= {"key": upload.key, "upload_id": upload.upload_id}
    if not as_json:
        show.out().print(_sent(facts))
    if wait:
        facts |= waiting.through(deployment, upload, seconds=minutes * 60, quiet=as_json)
    if as_json:
        show.print_json(facts)
    raise typer.Exit(0 if not wait else waiting.exit_code(facts))


@app.command(
    name="show",
    epilog="Examples:  tidemill data show flights@train   ·   tidemill data show flights 2   ·   "
    "tidemill data show flights 0f3a9c…",
)
def show_one(
    project: Annotated[
        str, typer.Argument(metavar="PROJECT[@VERSION]", help="flights, flights@3, flights@train.")
    ],
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERSION|UPLOAD]",
            help="A number, latest, a tag, a time (@2026-03-01), an identity, or an upload's id; default: latest.",
        ),
    ] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """One dataset version with its files and its difference from the parent, or one upload with its fate."""
    facts = versions.one(Deployment.of(stage), project, what)
    show.emit(facts, as_json=as_json, people=_version if "manifest" in facts else _upload)


history.register(app)
pull.register(app)
tags.register(app)


def _sent(facts: dict[str, Any]) -> str:
    what = show.plain(facts["key"]) if facts["files"] == 1 else f"{facts['files']:,} files"
    known = f" ({facts['unchanged']:,} more are in the newest version already)" if facts["unchanged"] else ""
    follow = f"tidemill data show {facts['project']} {facts['upload_id']}"
    return f"uploaded {what} as upload [bold]{facts['upload_id']}[/bold]{known}; follow it with `{follow}`"


def _nothing_new(facts: dict[str, Any]) -> str:
    version, count = facts["upload"]["dataset_version"], facts["unchanged"]
    has = "has it" if count == 1 else f"has all {count:,} files"
    return f"nothing to upload: version {version} of {facts['project']} {has} (--all uploads all the same)"


def _version(facts: dict[str, Any]) -> Group:
    known = {heading: value(facts) for heading, value in history.VERSIONS} | {"identity": facts["identity"]}
    pairs = [*known.items(), ("reason", facts.get("reason")), ("author", _author(facts))]
    files = [
        (show.plain(file["path"]), f"{file['size']:,} bytes, sha256 {file['sha256'][:12]}")
        for file in facts["manifest"]["files"]
    ]
    told = [fault for file in (facts["validation"] or {}).get("files", ()) for fault in file["faults"]]
    told += (facts["validation"] or {}).get("warnings", ())
    parts: list[Any] = [show.facts(f"Dataset version {facts['version']}", pairs), "", show.facts("Files", files)]
    return Group(*parts, *_findings("What the gate found", told))


def _upload(facts: dict[str, Any]) -> Any:
    known = {heading: value(facts) for heading, value in history.UPLOADS} | {"upload": facts["upload_id"]}
    pairs = [*known.items(), ("reason", facts.get("reason")), ("error", facts.get("error"))]
    reading, validation = facts["reading"] or {}, facts["validation"] or {}
    if reading:
        pairs.append(("rows", f"{reading['rows']:,} good, {reading['bad_rows']:,} left out"))
    told = [*reading.get("faults", ()), *validation.get("faults", ()), *validation.get("warnings", ())]
    return Group(show.facts(f"Upload {facts['upload_id']}", pairs), *_findings("What the gate found", told))


def _findings(title: str, faults: Iterable[dict[str, Any]]) -> list[Any]:
    """Each thing that was found, with its code; nothing where nothing was."""
    found = [(fault["code"], show.plain(fault["message"])) for fault in faults]
    return ["", show.facts(title, found)] if found else []


def _author(facts: dict[str, Any]) -> str | None:
    author = facts.get("author")
    return None if author == UNKNOWN else author
