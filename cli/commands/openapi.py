"""`tidemill openapi`: what a project's API takes and gives, as an OpenAPI document or as commands to paste."""

import json
import shlex
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cli.deployment import Deployment
from cli.options import STAGE, ProjectName, Stage, Token
from tidemill import token_names

SERVICE = "execute-api"
_SIGNED = (
    f"--aws-sigv4 aws:amz:{{region}}:{SERVICE} "
    '--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\\n'
    '  ${{AWS_SESSION_TOKEN:+-H "X-Amz-Security-Token: $AWS_SESSION_TOKEN"}}'
)
_BEARER = f'-H "Authorization: Bearer ${token_names.ENV_TOKEN}"'


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(epilog="Examples:  tidemill openapi flights > flights.json   ·   tidemill openapi flights --curl")(
        openapi
    )


def openapi(
    project: ProjectName,
    curl: Annotated[bool, typer.Option("--curl", help="The examples of requests as curl commands.")] = False,
    token: Token = None,
    stage: Stage = STAGE,
) -> None:
    """The OpenAPI 3.1 document of the live model, as the API gives it: schemas, errors, examples."""
    deployment = Deployment.of(stage, token)
    deployment.require_project(project)
    document = deployment.api.openapi(project)
    if curl:
        region = deployment.connection.session.region_name
        typer.echo("\n\n".join(commands(document, url=deployment.api.url, region=region)))
    else:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def commands(document: dict[str, Any], *, url: str, region: str) -> Iterator[str]:
    """A curl command for each example of a request; the credentials, or the token, come from the environment."""
    signs = "sigv4" in document["components"]["securitySchemes"]
    who = _SIGNED.format(region=region) if signs else _BEARER
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            for example in content.get("application/json", {}).get("examples", {}).values():
                body = shlex.quote(json.dumps(example["value"], ensure_ascii=False))
                yield (
                    f"# {operation['summary']}: {example['summary']}\n"
                    f"curl -X {method.upper()} {shlex.quote(url + path)} \\\n"
                    f"  {who} \\\n"
                    f"  -H 'Content-Type: application/json' -d {body}"
                )
