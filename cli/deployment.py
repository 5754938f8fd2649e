"""One deployed Tidemill, found through its SSM parameters: the ports, the API, functions and state machines by
name.

Every command and the story work through it; what it hands out are the library's own adapters.
"""

import json
import os
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from cli.api import Api
from cli.connection import Connection, connect
from cli.errors import NotFound, Refused
from tidemill import names, token_names
from tidemill.adapters.index import DynamoIndex
from tidemill.adapters.objects import S3Objects
from tidemill.adapters.workflows import StepFunctionsWorkflows
from tidemill.client import Client

LONGEST_CAUSE = 600  # characters; what follows is a stack trace


class Deployment:
    """What is deployed as `stage`. Raises NotFound for a thing that the deployment did not write down. `token`, if
    there is one, is what the API is sent in place of a signature."""

    def __init__(self, stage: str, connection: Connection) -> None:
        self.stage = stage
        self.connection = connection
        self.token = os.environ.get(token_names.ENV_TOKEN) or None

    @classmethod
    def of(cls, stage: str, token: str | None = None) -> "Deployment":
        """The deployment of that stage, reached the way the stage is reached."""
        deployment = cls(stage, connect(stage))
        deployment.token = token or deployment.token
        return deployment

    def client(self, service: str) -> Any:
        return self.connection.client(service)

    def parameter(self, thing: str) -> str:
        """The value of `/tidemill/<stage>/<thing>`."""
        name = names.parameter(self.stage, thing)
        try:
            return str(self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":
                raise
            raise NotFound(
                f"stage {self.stage!r} has no {thing}: SSM parameter {name} does not exist; "
                f"deploy with `tidemill deploy --stage {self.stage}`"
            ) from error

    def parameters(self) -> dict[str, str]:
        """Everything the deployment wrote down: thing → value."""
        root = names.parameter(self.stage, "")
        pages = self.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=root, Recursive=True)
        return {p["Name"].removeprefix(root): p["Value"] for page in pages for p in page["Parameters"]}

    def projects(self) -> list[str]:
        """The names of the deployed projects."""
        return sorted(t.removeprefix("endpoint/") for t in self.parameters() if t.startswith("endpoint/"))

    def require_project(self, project: str) -> None:
        """Raises NotFound, with the names that exist, unless the project is deployed."""
        deployed = self.projects()
        if project not in deployed:
            known = ", ".join(deployed) or "none"
            raise NotFound(
                f"no project {project!r} in stage {self.stage!r} (deployed: {known}); "
                f"add projects/{project}.yaml and deploy again"
            )

    @cached_property
    def bucket(self) -> str:
        return self.parameter("data-bucket")

    @cached_property
    def objects(self) -> S3Objects:
        return S3Objects(self.client("s3"), self.bucket)

    @cached_property
    def index(self) -> DynamoIndex:
        return DynamoIndex(self.client("dynamodb"), self.parameter("table"))

    @cached_property
    def datasets(self) -> Client:
        """The Python client of this stage, over this connection."""
        return Client(self.stage, objects=self.objects, index=self.index, by=self.caller)

    @cached_property
    def api(self) -> Api:
        return Api(self.parameter("api-url"), self.connection.session, self.token)

    @cached_property
    def workflows(self) -> StepFunctionsWorkflows:
        return StepFunctionsWorkflows(self.client("stepfunctions"), _Machines(self))

    def execution(self, machine: str, name: str) -> dict[str, Any] | None:
        """The execution of that name of a state machine, as `DescribeExecution` gives it; None if there is
        none."""
        arn = self.parameter(f"state-machine/{machine}").replace(":stateMachine:", ":execution:")
        try:
            found: dict[str, Any] = self.client("stepfunctions").describe_execution(executionArn=f"{arn}:{name}")
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return None
            raise
        return found

    def failure(self, machine: str, name: str) -> str | None:
        """How the execution of that name ended, if it ended badly."""
        found = self.execution(machine, name)
        if found is None or found["status"] in ("RUNNING", "SUCCEEDED", "PENDING_REDRIVE"):
            return None
        why = str(found.get("cause") or found.get("error") or "no cause given")[:LONGEST_CAUSE]
        return f"execution {name!r} of the state machine {machine!r} ended as {found['status']}: {why}"

    def abort(self, machine: str, name: str, cause: str) -> None:
        """End the execution of that name, unless it has ended."""
        arn = self.parameter(f"state-machine/{machine}").replace(":stateMachine:", ":execution:")
        try:
            self.client("stepfunctions").stop_execution(executionArn=f"{arn}:{name}", cause=cause)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "ValidationException"):
                raise

    def invoke(self, function: str, payload: dict[str, Any]) -> Any:
        """The answer of a platform function. Raises Refused with its own words when it fails."""
        answer = self.client("lambda").invoke(
            FunctionName=self.parameter(f"function/{function}"), Payload=json.dumps(payload).encode()
        )
        body = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise Refused(f"{function}: {body.get('errorType', 'error')}: {body.get('errorMessage', body)}")
        return body

    def caller(self) -> str:
        """The ARN of whoever runs this command: who a decision is recorded for."""
        return str(self.client("sts").get_caller_identity()["Arn"])


class _Machines(dict[str, str]):
    """Stage word → ARN of the state machine, looked up when it is needed: a stage that was deployed before a
    machine was invented can start the others."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__()
        self._deployment = deployment

    def __missing__(self, word: str) -> str:
        self[word] = self._deployment.parameter(f"state-machine/{word}")
        return self[word]
