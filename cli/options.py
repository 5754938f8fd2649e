"""Arguments and options that commands share, so that each means the same everywhere."""

from typing import Annotated

import typer

from cli.connection import LOCAL
from tidemill import token_names

Stage = Annotated[
    str,
    typer.Option(
        "--stage",
        "-s",
        envvar="TIDEMILL_STAGE",
        help="The deployment to talk to: local, dev, prod.",
        rich_help_panel="Common",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON for other programs instead of tables.", rich_help_panel="Common")
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar=token_names.ENV_TOKEN,
        show_default=False,
        help="An API token or a JWT in place of a signature, where the stage asks for one. Better by the "
        "variable: others can read command lines.",
        rich_help_panel="Common",
    ),
]
ProjectName = Annotated[str, typer.Argument(metavar="PROJECT", help="The project, as in projects/<name>.yaml.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many, the newest first.")]

STAGE = LOCAL
