"""Function `serve_api`: every route of the HTTP API but an endpoint's own `predict`.

Called by API Gateway. Writes outcomes.
"""

import json
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.errors import RecordNotFound, TidemillError
from tidemill.observability import logger, now
from tidemill.serving import http
from tidemill.serving.accept_outcomes import accept_outcomes, accept_table
from tidemill.serving.describe_project import describe_project
from tidemill.serving.openapi.document import describe_api
from tidemill.serving.outcome_tables import CONTENT_TYPE

app = APIGatewayHttpResolver()


def within_limits(app: APIGatewayHttpResolver, go_on: NextMiddleware) -> Response[Any]:
    http.refuse_above_limit(app.current_event.raw_event)
    http.refuse_too_large(app.current_event.raw_event)
    return go_on(app)


app.use([within_limits])


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/projects/<project>")
def describe(project: str) -> dict[str, Any]:
    return describe_project(problem=projects.load(project), index=wiring.index())


@app.get("/projects/<project>/openapi.json")
def openapi(project: str) -> dict[str, Any]:
    problem, server = projects.load(project), http.server(app.current_event.raw_event)
    return describe_api(
        problem=problem, server=server, auth=wiring.auth(), objects=wiring.objects(), index=wiring.index()
    )


@app.post("/projects/<project>/outcomes")
def outcomes(project: str) -> tuple[dict[str, int], int]:
    event, ports = app.current_event.raw_event, {"objects": wiring.objects(), "clock": now}
    problem = projects.load(project)
    if http.content_type(event) == CONTENT_TYPE:
        return accept_table(problem=problem, body=http.content(event), **ports), 202
    return accept_outcomes(problem=problem, body=http.body(event), **ports), 202


@app.not_found
def unknown(error: NotFoundError) -> Response[str]:
    event = app.current_event
    return refused(
        RecordNotFound(f"{event.http_method} {event.path} is not a route, or no such project is deployed")
    )


def refused(error: TidemillError) -> Response[str]:
    return Response(error.status, "application/json", json.dumps(http.problem(error)), http.headers(error))


app.exception_handler(TidemillError)(refused)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
