"""The OpenAPI 3.1 document of a project. Called by the API; reads the live pointer and `model.json`."""

import json
from collections.abc import Mapping
from typing import Any

from tidemill import names
from tidemill.errors import RecordNotFound
from tidemill.ports import Index, ObjectStore
from tidemill.projects import Project
from tidemill.projects.features import described
from tidemill.serving import outcome_rules
from tidemill.serving.openapi import examples, schemas, security

VERSION = "3.1.0"
_WRONG = {
    "400": "The body is not JSON.",
    "413": "The body is too large.",
    "422": "The request does not follow the contract: `faults` has what, where and which rule.",
}
_NOT_READY = {"503": "The endpoint has no model yet, or one that is not the registered one."}


def describe_api(
    *, problem: Project, server: str, auth: str, objects: ObjectStore, index: Index
) -> dict[str, Any]:
    """The document, of the champion's features, or before the first release of the project file's. `server` is the
    address of the API, without a closing slash, and `auth` what it asks for: `iam`, `jwt` or `token`."""
    pointer = index.get(names.pk(problem.name), names.POINTER_LIVE) or {}
    model = _model(problem, pointer.get("champion"), objects)
    classes, features, task = model.get("classes", []), model["features"], model["task"]
    limit = model.get("max_instances", problem.max_instances)
    # A champion from before the project assigned entities takes requests without one; the next model will not.
    by_entity = "entity" in (problem.rollout.assignment, model.get("assignment"))
    bodies = {
        "Instance": schemas.instance(features, model.get("serving", {})),
        "PredictRequest": _request(limit, by_entity),
        "Prediction": schemas.prediction(task, classes),
        "PredictResponse": schemas.predictions(task, classes),
        "OutcomesRequest": schemas.outcomes(
            problem.task, problem.classes, by_entity=outcome_rules.entity_fault(problem) is None
        ),
        "OutcomesResponse": schemas.closed({"accepted": {"type": "integer", "minimum": 1}}, ["accepted"]),
        "Error": schemas.error(),
        "Fault": schemas.fault(),
    }
    return {
        "openapi": VERSION,
        "info": _info(problem, model),
        "servers": [{"url": server}],
        "security": security.required(auth),
        "paths": _paths(problem, examples.requests(features, limit, by_entity=by_entity), auth),
        "components": {"schemas": bodies, "securitySchemes": security.schemes(auth, problem.name)},
    }


def _model(problem: Project, champion: Mapping[str, Any] | None, objects: ObjectStore) -> dict[str, Any]:
    """`model.json` of the model that answers; before there is one, what the next one will say."""
    if champion is not None:
        try:
            model: dict[str, Any] = json.loads(
                objects.get(names.model(problem.name, champion["model"]) + "model.json")
            )
        except RecordNotFound as error:
            raise RecordNotFound(f"the live model of {problem.name!r} has no model.json: {error}") from error
        return model
    return {
        "task": problem.task,
        "features": described(problem),
        "classes": list(problem.classes),
        **problem.serving.carried(),
    }


def _info(problem: Project, model: Mapping[str, Any]) -> dict[str, Any]:
    version = model.get("version")
    state = f"Model version {version} answers." if version else "No model was released yet."
    return {
        "title": problem.name,
        "description": f"{problem.description} {state} Categories that training never saw are taken, unless a "
        "feature lists its values.",
        "version": str(version or 0),
    }


def _request(limit: int, by_entity: bool) -> schemas.Schema:
    rows = {"type": "array", "minItems": 1, "maxItems": limit, "items": schemas.ref("Instance")}
    rule = {"type": "string", "minLength": 1} if by_entity else {"type": ["string", "null"]}
    entity = {**schemas.TEXT, **rule, "description": "whom the request is about"}
    needed = ["instances", "entity_id"] if by_entity else ["instances"]
    return schemas.closed({"instances": rows, "entity_id": entity}, needed)


def _paths(problem: Project, requests: Mapping[str, Any], auth: str) -> dict[str, Any]:
    root, limited = f"/projects/{problem.name}", security.limits(auth)
    happened = examples.outcomes(problem.task, problem.classes)
    return {
        f"{root}/predict": {
            "post": {
                "operationId": "predict",
                "summary": "Ask the live model",
                "requestBody": _body("PredictRequest", requests),
                "responses": {"200": _json("The predictions.", schemas.ref("PredictResponse"))}
                | _errors({**_WRONG, **limited, **_NOT_READY}),
            }
        },
        f"{root}/outcomes": {
            "post": {
                "operationId": "outcomes",
                "summary": "Say what really happened",
                "description": "Also as text/csv, UTF-8: a header with an outcome's fields, and a line for each.",
                "requestBody": _body("OutcomesRequest", happened),
                "responses": {"202": _json("The outcomes are kept.", schemas.ref("OutcomesResponse"))}
                | _errors({**_WRONG, **limited}),
            }
        },
        root: {"get": _get("project", "What is live of the project")},
        f"{root}/openapi.json": {"get": _get("openapi", "This document")},
        "/health": {"get": {**_get("health", "Whether the API answers"), "security": []}},
    }


def _get(name: str, summary: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": _json("The facts.", {"type": "object"})},
    }


def _body(schema: str, named: Mapping[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schemas.ref(schema), "examples": dict(named)}}
    return {"required": True, "content": content}


def _json(description: str, schema: schemas.Schema) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _errors(told: Mapping[str, str]) -> dict[str, Any]:
    return {status: _json(said, schemas.ref("Error")) for status, said in told.items()}
