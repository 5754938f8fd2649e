"""`tidemill reproduce`: make a model again on this machine, and see whether it is the same, bit by bit."""

from typing import Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape

from cli import show
from cli.deployment import Deployment
from cli.errors import Usage
from cli.options import STAGE, Json, ProjectName, Stage
from infra.source import source

Facts = dict[str, Any]
DIGITS = 16
CHECKS: list[show.Column] = [
    ("", lambda check: "✓" if check["same"] else "✗"),
    ("what", lambda check: check["what"]),
    ("recorded", lambda check: _short(check["recorded"])),
    ("made again", lambda check: "the same" if check["same"] else _short(check["found"])),
]


def register(app: typer.Typer) -> None:
    """Add the command to `tidemill`."""
    app.command(
        epilog="Examples:  tidemill reproduce flights   ·   tidemill reproduce flights 2   ·   "
        "tidemill reproduce flights --run flights-v00002"
    )(reproduce)


def reproduce(
    project: ProjectName,
    model: Annotated[
        int | None,
        typer.Argument(min=1, metavar="[MODEL]", help="A model version; default: the champion."),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="The model of this run, registered or not.")
    ] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Make a model again from what was recorded of it, and compare digests. Exit code 1 where one differs.

    The rows are prepared again from the dataset version, by the project file that the run pinned; the best trial's
    point is fitted again on all but the holdout, with as many threads as then. Nothing is written. What libraries
    or code differ from the recorded ones is told first; another version may well give another digest.
    """
    if model is not None and run is not None:
        raise Usage("give a model version or --run, not both")
    # Not at the top: scikit-learn takes a second to import, which every other command would wait for.
    from tidemill.training import provenance
    from tidemill.training import reproduce as use_case

    deployment = Deployment.of(stage)
    deployment.require_project(project)
    record = use_case.find(
        project=project, model=model, run_id=run, objects=deployment.objects, index=deployment.index
    )
    odd = use_case.differences(record, {**provenance.record(source()), "machine": provenance.machine()})
    _warn(odd)
    facts = {**use_case.reproduce(record, objects=deployment.objects), "environment": odd}
    show.emit(facts, as_json=as_json, people=_table)
    raise typer.Exit(0 if facts["same"] else 1)


def _warn(odd: list[Facts]) -> None:
    say = show.note()
    for each in odd:
        what, recorded, found = (escape(str(_short(each[name]))) for name in ("what", "recorded", "found"))
        say.print(f"[yellow]![/yellow] {what}: recorded {recorded}, here {found}", soft_wrap=True)


def _table(facts: Facts) -> Group:
    title = f"Model v{facts['model_version']}" if facts["model_version"] else "A run's model"
    pairs = [
        ("run", facts["run_id"]),
        ("data", f"v{facts['dataset_version']}"),
        ("trial", facts["trial"]),
        ("algorithm", facts["algorithm"]),
        ("parameters", show.metrics(facts["parameters"])),
        ("seed", facts["seed"]),
        ("threads", facts["threads"]),
    ]
    table = show.table("Digests (SHA-256)", facts["checks"], CHECKS, empty="nothing was recorded")
    return Group(show.facts(title, pairs), table, _verdict(facts))


def _verdict(facts: Facts) -> str:
    if facts["same"]:
        return "[green]✓[/green] the same model, bit by bit"
    different = ", ".join(check["what"] for check in facts["checks"] if not check["same"])
    words = f"[red]✗[/red] not the same: {escape(different)}"
    answers = facts["answers"]
    if answers:
        words += (
            f"\n  the two models answer {answers['different']:,} of {answers['rows']:,} held-out rows differently,"
            f" by {answers['largest_difference']:.3g} at most"
        )
    named = ", ".join(each["what"] for each in facts["environment"])
    return words + (f"\n  it was made with another: {escape(named)}" if named else "")


def _short(value: Any) -> Any:
    """A digest's first digits; any other value as it is."""
    is_digest = isinstance(value, str) and len(value) == 64
    return value[:DIGITS] if is_digest else value
