"""`tidemill openapi`: the document, and commands that a shell takes as they are."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from cli.api import Api
from cli.commands.openapi import commands
from tidemill import projects
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.serving.openapi.document import describe_api

Run = Callable[..., Any]
URL = "https://api.example"


@pytest.fixture
def document(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the API gives of project flights: a category with a quote in its name, so that quoting matters."""
    columns = {"late": {"type": "integer"}, "carrier": {"type": "category", "allowed": ["O'Hare $HOME `x`", "Ж"]}}
    fields = {"name": "flights", "description": "?", "task": "classification", "target": "late"}
    problem = projects.parse({**fields, "columns": columns, "features": ["carrier"]})
    found = describe_api(problem=problem, server=URL, auth="iam", objects=MemoryObjects(), index=MemoryIndex())
    monkeypatch.setattr(
        Api, "call", lambda api, method, path: {("GET", "/projects/flights/openapi.json"): found}[method, path]
    )
    return found


def test_the_document_is_printed_as_the_api_gives_it(run: Run, document: dict[str, Any]) -> None:
    done = run("openapi", "flights")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == document


def test_each_example_is_a_command_that_a_shell_takes(run: Run, document: dict[str, Any]) -> None:
    done = run("openapi", "flights", "--curl")
    assert done.exit_code == 0, done.stderr
    # In place of curl: what it would be called with.
    script = 'curl() { printf "%s\\0" "$@"; printf "\\n\\0"; }\n' + done.stdout
    environment = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "HOME": "/"}
    said = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    calls = [call.strip("\0").split("\0") for call in said.stdout.split("\n\0") if call]
    sent = [(call[2], json.loads(call[-1])) for call in calls]
    expected = [
        (URL + path, example["value"])
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if "requestBody" in operation
        for example in operation["requestBody"]["content"]["application/json"]["examples"].values()
    ]
    assert sent == expected
    assert len(sent) == 3
    assert calls[0][3:7] == ["--aws-sigv4", "aws:amz:eu-central-1:execute-api", "--user", "key:secret"]
    assert "-H" in calls[0] and not any("Security-Token" in word for word in calls[0])


def test_temporary_credentials_send_their_token(run: Run, document: dict[str, Any]) -> None:
    script = 'curl() { printf "%s\\n" "$@"; }\n' + run("openapi", "flights", "--curl").stdout
    environment = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "a b"}
    said = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "X-Amz-Security-Token: a b" in said.stdout.splitlines()


def test_a_project_that_is_not_deployed_has_none(run: Run, document: dict[str, Any]) -> None:
    done = run("openapi", "ebb")
    assert done.exit_code != 0
    assert "deployed: diamonds, flights" in done.stderr


@pytest.mark.parametrize("auth", ["jwt", "token"])
def test_where_the_stage_asks_for_a_token_the_examples_send_one(auth: str) -> None:
    problem = projects.parse(
        {"name": "flights", "description": "?", "task": "regression", "target": "late",
         "columns": {"late": {"type": "number"}, "wind": {"type": "number"}}, "features": ["wind"]}
    )  # fmt: skip
    found = describe_api(problem=problem, server=URL, auth=auth, objects=MemoryObjects(), index=MemoryIndex())
    script = 'curl() { printf "%s\\n" "$@"; }\n' + "\n\n".join(commands(found, url=URL, region="eu-central-1"))
    said = subprocess.run(
        ["bash", "-c", script], env={"TIDEMILL_TOKEN": "tm_a b"}, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said.count("Authorization: Bearer tm_a b") == said.count("-X") == 3
    assert "--aws-sigv4" not in said and "--user" not in said
