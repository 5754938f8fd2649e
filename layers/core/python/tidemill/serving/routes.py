"""What each route of the HTTP API lets a client do. The infrastructure and the authorizer read it; a route that
stands for no action here can be opened by no token, and synth refuses to deploy it.
"""

from collections.abc import Mapping
from typing import NamedTuple

ACTIONS = ("predict", "outcomes", "read", "release")
OPEN = "GET /health"
"""The one route that asks nobody who he is."""
_ROOT = "/projects/"


class Asked(NamedTuple):
    """What a request asks for: an action on a project."""

    project: str
    action: str


def action_of(route_key: str) -> str | None:
    """The action of a route (`POST /projects/{project}/outcomes`); None if it has none."""
    method, _, path = route_key.partition(" ")
    first = path.removeprefix(_ROOT).split("/")[1:2] if path.startswith(_ROOT) else None
    match method, first:
        case "POST", ["predict" | "outcomes" as action]:
            return action
        case "POST", ["release" | "releases"]:
            return "release"
        case "GET", ([] | ["openapi.json" | "releases"]):
            return "read"
    return None


def asked(*, route_key: str, path: str, parameters: Mapping[str, str]) -> Asked | None:
    """What a request asks for; None unless the route that API Gateway chose and the path that the functions read
    say the same, so that no spelling of a path is one project here and another one there."""
    action, template = action_of(route_key), route_key.partition(" ")[2]
    for name, value in parameters.items():
        template = template.replace(f"{{{name}}}", value)
    if action is None or template != path or "%" in path:
        return None
    return Asked(path.removeprefix(_ROOT).split("/")[0], action)


def scope(project: str, action: str) -> str:
    """The scope of a JWT that opens an action on a project (for Amazon Cognito: resource server
    `tidemill/<project>`, scope `<action>`)."""
    return f"tidemill/{project}/{action}"
