"""The `tidemill` command. `python -m cli.main` is the same as the installed script."""

from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from cli.commands import (
    approvals,
    batch,
    cloud,
    data,
    data_diff,
    demo,
    doctor,
    lineage,
    models,
    monitor,
    openapi,
    rebuild,
    release,
    reproduce,
    runs,
    serving,
    steer_release,
    subjects,
    sweep,
    tokens,
    train,
)
from cli.errors import CliError
from cli.remedies import EXPECTED, remedy
from cli.show import note


class Reporting(TyperGroup):
    """Ends a command that could not do what it was asked with a message and an exit code, not with a stack
    trace."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            note().print(f"[red]✗[/red] {escape(remedy(error))}", soft_wrap=True)
            raise typer.Exit(getattr(error, "code", 1) if isinstance(error, CliError) else 1) from error
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Reporting,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""MLOps on AWS that costs nothing while it waits: data in, a watched model out.

    [bold]Begin[/bold] with [cyan]tidemill up[/cyan] and [cyan]tidemill demo[/cyan]; ask [cyan]tidemill
    doctor[/cyan] what this machine lacks. Every command that reads takes [cyan]--json[/cyan]; all but up and down
    take [cyan]--stage[/cyan] (or TIDEMILL_STAGE): the embedded cloud is stage [cyan]local[/cyan].""",
)

cloud.register(app)
demo.register(app)
serving.register(app)
batch.register(app)
openapi.register(app)
approvals.register(app)
steer_release.register(app)
doctor.register(app)
rebuild.register(app)
reproduce.register(app)
train.register(app)
data_diff.register(data.app)
lineage.register(data.app, models.app)
subjects.register(data.app)
sweep.register(data.app)
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.add_typer(models.app, name="models")
app.add_typer(release.app, name="release")
app.add_typer(monitor.app, name="monitor")
app.add_typer(tokens.app, name="tokens")


if __name__ == "__main__":
    app()
