"""statemachines/data.asl.json, run by the embedded cloud's interpreter with the use cases behind its tasks."""

import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ministack.services import stepfunctions as interpreter
from pyarrow import csv

from infra import definitions
from tidemill import names
from tidemill.data.formats import delimited
from tidemill.errors import ConflictError

ACCOUNT = "arn:aws:lambda:eu-central-1:000000000000:function:"
TRAINING = "arn:aws:states:eu-central-1:000000000000:stateMachine:training"
STATES = {
    "ValidateVersion": "validate_version",
    "AcceptVersion": "accept_version",
    "CompareVersion": "compare_version",
    "QuarantineUpload": "quarantine_upload",
    "RecordFailure": "record_failure",
    "CloseBatch": "close_batch",
    "ReadPart": "read_part",
}


class Machine:
    """Runs executions of the data machine; `broken` makes a task raise."""

    def __init__(self, shore: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shore = shore
        self.broken: dict[str, Callable[[], Exception]] = {}
        self.called: list[str] = []
        self.started: dict[str, Any] = {}
        monkeypatch.setattr(interpreter, "_invoke_resource", self._invoke)
        monkeypatch.setattr(interpreter, "_scaled_sleep", lambda seconds: None)
        definition = definitions.load("data")
        identities = {name: ACCOUNT + name for name in definition.functions}
        self._arn = self._create(definition.filled({**identities, "TrainingMachine": TRAINING}))

    def run(self, event: dict[str, Any]) -> dict[str, Any]:
        """The description of the ended execution that an S3 event starts."""
        shown = {"key": event["key"], "size": 1, "sequencer": event["sequencer"]}
        detail = {"bucket": {"name": "tides"}, "object": {**shown, "version-id": event["version_id"]}}
        request = {
            "stateMachineArn": self._arn,
            "input": json.dumps({"detail-type": "Object Created", "detail": detail}),
        }
        self.called.clear()
        _, _, body = interpreter._start_sync_execution(request)
        return json.loads(body)

    def _create(self, definition: str) -> str:
        role = "arn:aws:iam::000000000000:role/data"
        request = {"name": f"data-{uuid.uuid4()}", "definition": definition, "roleArn": role}
        status, _, body = interpreter._create_state_machine(request)
        assert status == 200, body
        return json.loads(body)["stateMachineArn"]

    def _invoke(self, resource: str, request: dict[str, Any]) -> dict[str, Any]:
        if resource == "arn:aws:states:::states:startExecution":
            return self._start(request)
        assert resource == "arn:aws:states:::lambda:invoke"
        state, payload = request["FunctionName"].removeprefix(ACCOUNT), json.loads(json.dumps(request["Payload"]))
        self.called.append(state)
        try:
            if state in self.broken:
                raise self.broken[state]()
            return {"StatusCode": 200, "Payload": self._answer(state, payload)}
        except Exception as error:
            raise interpreter._ExecutionError(type(error).__name__, str(error)) from error

    def _answer(self, state: str, payload: dict[str, Any]) -> dict[str, Any]:
        if state == "RegisterVersion":
            return self.shore.register(payload)
        if state == "MergeParts":
            return self.shore.merge(payload)
        known = {"validate_version", "accept_version", "compare_version"}
        name = STATES[state]
        if name in known:
            assert payload.pop("project") == "tides"
        if name == "quarantine_upload":
            wanted = ("project", "batch_id", "upload_id", "code", "reason", "validation_key")
            payload = {key: payload.get(key) for key in wanted}
        return self.shore.step(name, **payload)

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["StateMachineArn"] == TRAINING
        if request["Name"] in self.started:
            raise interpreter._ExecutionError("StepFunctions.ExecutionAlreadyExistsException", "exists")
        self.started[request["Name"]] = request["Input"]
        return {"ExecutionArn": request["Name"]}


@pytest.fixture
def machine(shore: Any, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(shore, monkeypatch)


def test_an_upload_becomes_a_version_and_starts_its_run(machine: Machine) -> None:
    ended = machine.run(machine.shore.upload("a.csv", machine.shore.good()))
    assert ended["status"] == "SUCCEEDED"
    assert machine.called == ["RegisterVersion", "ValidateVersion", "AcceptVersion", "CompareVersion"]
    assert machine.started == {
        "tides-v00001": {
            "project": "tides",
            "dataset_version": 1,
            "run_id": "tides-v00001",
            "reason": "new dataset version",
            "trigger": "data",
            "options": {},
        }
    }


def test_the_same_event_again_walks_to_the_same_run(machine: Machine) -> None:
    event = machine.shore.upload("a.csv", machine.shore.good())
    first = machine.run(event)
    again = machine.run(event)
    assert machine.called == ["RegisterVersion", "AcceptVersion", "CompareVersion"]
    assert (again["status"], again["output"]) == ("SUCCEEDED", first["output"])
    assert list(machine.started) == ["tides-v00001"]


@pytest.mark.parametrize(
    ("body", "called"),
    [
        (b"", ["RegisterVersion", "QuarantineUpload"]),
        (
            b"at,level,gates,wind,full\n2026-01-01,1,1,N,1\n",
            ["RegisterVersion", "ValidateVersion", "QuarantineUpload"],
        ),
    ],
)
def test_a_refused_upload_ends_in_quarantine_and_starts_nothing(
    machine: Machine, body: bytes, called: list[str]
) -> None:
    ended = machine.run(machine.shore.upload("a.csv", body))
    assert (ended["status"], machine.called, machine.started) == ("SUCCEEDED", called, {})
    assert json.loads(ended["output"])["reason_key"].startswith("quarantine/tides/")


def wide(shore: Any) -> bytes:
    """A file whose parts take its column without a rule for different kinds."""
    lines = [f"{line},{number if number < 15 else 'x'}" for number, line in enumerate(shore.lines())]
    return shore.csv(lines, header="at,level,gates,wind,full,extra")


def test_a_large_file_is_read_in_parts_until_they_agree_on_kinds(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = delimited.pieces
    monkeypatch.setattr(delimited, "pieces", lambda chunks, **how: original(chunks, **how | {"block_bytes": 128}))
    machine.shore.split_bytes = 256
    ended = machine.run(machine.shore.upload("a.csv", wide(machine.shore)))
    assert ended["status"] == "SUCCEEDED", ended
    parts = machine.called.count("ReadPart") // 2
    assert parts > 2
    around = ["MergeParts", "ValidateVersion", "AcceptVersion", "CompareVersion"]
    round_of = ["ReadPart"] * parts
    assert machine.called == ["RegisterVersion", *round_of, "MergeParts", *round_of, *around]
    assert list(machine.started) == ["tides-v00001"]


def test_a_part_that_cannot_be_read_fails_the_execution(machine: Machine) -> None:
    machine.shore.split_bytes = 64
    event = machine.shore.upload("a.parquet", parquet(machine.shore))
    machine.broken["ReadPart"] = lambda: PermissionError("not allowed to read it")
    ended = machine.run(event)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert machine.called[-1] == "RecordFailure"
    machine.broken.clear()
    assert machine.run(event)["status"] == "SUCCEEDED"
    assert list(machine.started) == ["tides-v00001"]


def parquet(shore: Any) -> bytes:
    """Valid rows in groups of four."""
    table = csv.read_csv(pa.BufferReader(shore.good()))
    table = table.set_column(0, "at", table.column("at").cast(pa.timestamp("us", tz="UTC")))
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=4)
    return sink.getvalue()


def test_what_brings_nothing_new_ends_there(machine: Machine) -> None:
    shore = machine.shore
    machine.run(shore.upload("a.csv", shore.good()))
    early, late = shore.upload("b.csv", shore.good(1)), shore.upload("b.csv", shore.good(2))
    machine.run(late)
    gone = {**early, "version_id": "9"}
    stranger = {**early, "key": "incoming/stray.csv"}
    for event in (shore.upload("copy.csv", shore.good()), early, gone, stranger):
        assert machine.run(event)["status"] == "SUCCEEDED"
        assert machine.called == ["RegisterVersion"]
    assert list(machine.started) == ["tides-v00001", "tides-v00002"]


def test_a_version_that_another_upload_took_meanwhile_starts_no_second_run(machine: Machine) -> None:
    shore = machine.shore
    rival = shore.upload("b.csv", shore.good())
    validate = shore.step

    def overtaken(name: str, *args: Any, **request: Any) -> Any:
        if name == "accept_version" and not machine.started:
            machine.started["rival"] = None
            shore.step = validate
            shore.walk(rival)
        return validate(name, *args, **request)

    shore.step = overtaken
    ended = machine.run(shore.upload("a.csv", shore.good()))
    assert (ended["status"], machine.called[-1]) == ("SUCCEEDED", "AcceptVersion")
    assert json.loads(ended["output"])["outcome"] == "unchanged"


@pytest.mark.parametrize("state", ["RegisterVersion", *list(STATES)[:3]])
def test_a_fault_of_the_platform_is_recorded_and_fails_the_execution(machine: Machine, state: str) -> None:
    event = machine.shore.upload("a.csv", machine.shore.good())
    machine.broken[state] = lambda: PermissionError("not allowed to read it")
    ended = machine.run(event)
    assert (ended["status"], ended["error"], ended["cause"]) == (
        "FAILED",
        "PermissionError",
        "not allowed to read it",
    )
    assert machine.called[-2:] == [state, "RecordFailure"]
    (row,) = machine.shore.rows(names.UPLOADS)
    assert row["state"] == ("accepted" if state == "CompareVersion" else "failed")
    assert row["error"] == "PermissionError: not allowed to read it"
    machine.broken.clear()
    assert machine.run(event)["status"] == "SUCCEEDED"
    assert list(machine.started) == ["tides-v00001"]


def test_the_fault_is_told_even_if_it_cannot_be_recorded(machine: Machine) -> None:
    machine.broken = {
        "RegisterVersion": lambda: PermissionError("first"),
        "RecordFailure": lambda: PermissionError("second"),
    }
    ended = machine.run(machine.shore.upload("a.csv", machine.shore.good()))
    assert (ended["status"], ended["cause"]) == ("FAILED", "first")


def test_a_lost_race_is_tried_again(machine: Machine) -> None:
    failures = iter([ConflictError("lost"), ConflictError("lost")])

    def lose() -> Exception:
        error = next(failures, None)
        if error is None:
            machine.broken.clear()
            return ConflictError("lost for the last time")
        return error

    machine.broken["AcceptVersion"] = lose
    assert machine.run(machine.shore.upload("a.csv", machine.shore.good()))["status"] == "SUCCEEDED"
    assert machine.called.count("AcceptVersion") == 4


def test_every_task_has_a_timeout_named_retries_and_catches_everything() -> None:
    document = definitions.load("data").document()
    states = dict(definitions.states(document))
    assert document["QueryLanguage"] == "JSONata"
    for name, state in states.items():
        if state["Type"] != "Task":
            continue
        assert state["TimeoutSeconds"] > 0, name
        retried = [error for retry in state["Retry"] for error in retry["ErrorEquals"]]
        assert retried, name
        assert "States.ALL" not in retried, name
        assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


def test_every_state_is_reached_and_every_next_exists() -> None:
    document = definitions.load("data").document()
    states = document["States"]
    reached, ahead = set(), [document["StartAt"]]
    while ahead:
        name = ahead.pop()
        if name in reached:
            continue
        reached.add(name)
        state = states[name]
        exits = [rule["Next"] for rule in (*state.get("Choices", ()), *state.get("Catch", ()))]
        exits += [state[key] for key in ("Next", "Default") if key in state]
        assert exits or state["Type"] in ("Succeed", "Fail"), name
        ahead += exits
    assert reached == set(states)
