"""`tidemill tokens`: who may call the API of a stage that asks for tokens."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli import show
from cli.deployment import Deployment
from cli.errors import NotFound
from cli.options import STAGE, Json, Stage
from tidemill.serving.tokens import form, steer

app = typer.Typer(
    no_args_is_help=True,
    help="""Tokens that open the API: for programs without AWS credentials, where the stage asks for tokens.

    A token opens some actions (predict, outcomes, read, release) on some projects, until it ends or is revoked. It
    is printed once; what is stored cannot be turned back into it. Programs send it as
    [cyan]Authorization: Bearer tm_…[/cyan], this command line with [cyan]--token[/cyan] or
    [cyan]TIDEMILL_TOKEN[/cyan].""",
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The token: a-z, 0-9 and '-', from a letter.")]
Days = Annotated[int, typer.Option("--days", min=1, max=steer.LONGEST_DAYS, help="Until it ends.")]
TOKENS: list[show.Column] = [
    ("token", lambda row: row["name"]),
    ("state", lambda row: row["state"]),
    ("projects", lambda row: ", ".join(row["projects"])),
    ("may", lambda row: ", ".join(row["actions"])),
    ("ends (UTC)", lambda row: show.minute(row["revoked"] or row["expires"])),
    ("old secret until", lambda row: show.minute(row["older_until"])),
    ("a minute", lambda row: row["requests_per_minute"]),
    ("last used", lambda row: row["used_on"]),
    ("by", lambda row: row["by"].rsplit("/", 1)[-1]),
]
_CREATE = (
    "Examples:  tidemill tokens create shop --project flights --may predict --may outcomes --days 90   ·   "
    "TIDEMILL_TOKEN=$(tidemill tokens create me -p flights) tidemill predict flights may.csv"
)


@app.command(epilog=_CREATE)
def create(
    name: Name,
    project: Annotated[list[str], typer.Option("--project", "-p", help="A project it opens; as often as needed.")],
    may: Annotated[
        list[str] | None,
        typer.Option(
            help="What it lets do: predict, outcomes, read, release; as often as needed. predict if left out."
        ),
    ] = None,
    days: Days = 90,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="How many requests it takes in a minute; the next is answered 429.")
    ] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Make a token, and print it: this once. Each name is given once."""
    deployment = Deployment.of(stage)
    for each in project:
        deployment.require_project(each)
    secret = secrets.token_hex(form.SECRET_BYTES)
    facts = steer.create_token(
        name=name,
        projects=project,
        actions=may or ["predict"],
        secret=secret,
        days=days,
        requests_per_minute=requests_per_minute,
        by=deployment.caller(),
        index=deployment.index,
        clock=_now,
    )
    _hand_over(deployment, facts, form.write(name, secret), as_json=as_json)


@app.command(
    epilog="Examples:  tidemill tokens rotate shop --grace-hours 48   ·   "
    "tidemill tokens rotate shop --grace-hours 0"
)
def rotate(
    name: Name,
    grace_hours: Annotated[
        float, typer.Option(min=0, max=24 * 90, help="How long older secrets still open; 0 where one has leaked.")
    ] = 24,
    days: Annotated[
        int | None, typer.Option(min=1, max=steer.LONGEST_DAYS, help="Until it ends; as before if left out.")
    ] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Give a token a new secret, and print it: this once. It opens at once; old ones do for the grace."""
    deployment = Deployment.of(stage)
    secret = secrets.token_hex(form.SECRET_BYTES)
    facts = steer.rotate_token(
        name=name,
        secret=secret,
        grace=timedelta(hours=grace_hours),
        days=days,
        by=deployment.caller(),
        index=deployment.index,
        clock=_now,
    )
    _hand_over(deployment, facts, form.write(name, secret), as_json=as_json)


@app.command(epilog="Example:  tidemill tokens revoke shop --reason 'was in a log'")
def revoke(
    name: Name,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit trail.")] = "",
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """End a token now, with all its secrets, for good."""
    deployment = Deployment.of(stage)
    facts = steer.revoke_token(
        name=name, reason=reason, by=deployment.caller(), index=deployment.index, clock=_now
    )
    show.emit(
        facts,
        as_json=as_json,
        people=lambda row: (
            f"token [bold]{escape(row['name'])}[/bold] opens nothing since {show.when(row['revoked'])}"
        ),
    )


@app.command(name="list", epilog="Example:  tidemill tokens list --json")
def listing(stage: Stage = STAGE, as_json: Json = False) -> None:
    """The tokens of a stage, with the day each was last used; never their secrets."""
    rows = steer.tokens(Deployment.of(stage).index, _now())
    hint = "no tokens; make one with `tidemill tokens create NAME --project PROJECT --may predict`"
    show.emit(
        {"tokens": rows},
        as_json=as_json,
        people=lambda facts: show.table(f"Tokens of stage {stage}", facts["tokens"], TOKENS, empty=hint),
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _hand_over(deployment: Deployment, facts: dict[str, Any], token: str, *, as_json: bool) -> None:
    """The token alone on standard output, so that it can be piped; what to know about it on standard error."""
    if as_json:
        show.print_json({**facts, "token": token})
        return
    show.out().print(token, markup=False)
    for line in _advice(deployment, facts):
        show.note().print(line, soft_wrap=True)


def _advice(deployment: Deployment, facts: dict[str, Any]) -> Sequence[str]:
    may = f"{', '.join(facts['actions'])} on {', '.join(facts['projects'])}"
    lines = [f"It opens {may} until {show.minute(facts['expires'])} UTC, and is not shown again."]
    if facts["older_until"]:
        lines.append(f"Older secrets open until {show.minute(facts['older_until'])} UTC.")
    auth = _auth(deployment)
    if auth != "token":
        lines.append(
            f"[yellow]The API of stage {deployment.stage} asks for {auth}: no token opens it yet.[/yellow] "
            "Set auth to token for the stage in infra/stages.py, and deploy."
        )
    return lines


def _auth(deployment: Deployment) -> str:
    """What the API asks for; a stage that was deployed before there was a choice asks for IAM."""
    try:
        return deployment.parameter("auth")
    except NotFound:
        return "iam"
