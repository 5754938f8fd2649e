"""The training machine, run by the embedded cloud's interpreter with the use cases behind its tasks."""

import json
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from ministack.services import stepfunctions as interpreter

from infra import definitions
from local.extensions.sagemaker import shapes
from tidemill.errors import RunFailed
from tidemill.training.worker import Worker

FUNCTION = "arn:aws:lambda:eu-central-1:000000000000:function:"
SAGEMAKER = "arn:aws:states:::sagemaker:"
RELEASE = "arn:aws:states:eu-central-1:000000000000:stateMachine:release"
STEPS = {
    "PrepareData": "prepare_data",
    "PlanTrials": "plan_trials",
    "ChooseCompute": "choose_compute",
    "RunTrial": "run_trial",
    "SelectBest": "select_best",
    "FitFinal": "fit_final",
    "EvaluateCandidate": "evaluate_candidate",
    "CloseRun": "close_run",
}


class OutOfMemory(Exception):
    pass


class Jobs:
    """SageMaker, as far as the machine sees it: does what a job's program does, while the task waits. `faults` are
    raised by the next jobs, one each; `begun` are their names; `cuts` has how many trials a slot's job does before
    it fails."""

    def __init__(self, mill: Any) -> None:
        self._mill = mill
        self.faults: list[tuple[str, str]] = []
        self.cuts: list[int] = []
        self.begun: list[str] = []
        self.requests: list[dict[str, Any]] = []

    def run(self, call: str, request: dict[str, Any]) -> dict[str, Any]:
        operation = call.removesuffix(".sync")
        operation = operation[0].upper() + operation[1:]
        shapes.check(operation, request)
        name = request.get("TrainingJobName") or request["HyperParameterTuningJobName"]
        assert name not in self.begun, "SageMaker takes a name once"
        self.begun.append(name)
        self.requests.append(request)
        if self.faults:
            raise interpreter._ExecutionError(*self.faults.pop(0))
        if operation == "CreateHyperParameterTuningJob":
            self._tune(request)
        else:
            self._train(request["HyperParameters"], request["ResourceConfig"]["InstanceType"])
        return {}

    def _train(self, given: dict[str, str], instance: str) -> None:
        worker = Worker(16384, instance=instance)
        if given["task"] == "fit":
            self._mill.step("fit_final", worker=worker)
            return
        most = self.cuts.pop(0) if self.cuts else 1000
        for _ in range(most):
            if not self._mill.step("run_trial", slot=int(given["slot"]), worker=worker)["more"]:
                return
        cause = json.dumps({"TrainingJobStatus": "Failed", "FailureReason": "InternalServerError: capacity"})
        raise interpreter._ExecutionError("States.TaskFailed", cause)

    def _tune(self, request: dict[str, Any]) -> None:
        config, definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
        drawn = {
            each["Name"]: each["MinValue"]
            for kind in ("IntegerParameterRanges", "ContinuousParameterRanges")
            for each in config["ParameterRanges"][kind]
        }
        for number in range(config["ResourceLimits"]["MaxNumberOfTrainingJobs"]):
            given = {**definition["StaticHyperParameters"], **drawn}
            job = f"{request['HyperParameterTuningJobName']}-{number:03d}"
            try:
                self._mill.step("run_tuned_trial", job=job, algorithm=given["algorithm"], hyperparameters=given)
            except RunFailed:
                continue  # a job that fails does not end the tuning


class Machine:
    """Runs executions of the training machine; `broken` makes a task raise for a payload, `kills` has how often a
    slot's function is killed in the middle of a trial."""

    def __init__(self, mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mill = mill
        self.broken: dict[str, Callable[[dict[str, Any]], Exception | None]] = {}
        self.kills: dict[int, int] = {}
        self.called: list[str] = []
        self.jobs = Jobs(mill)
        self.started: dict[str, Any] = {}
        self.release_fault: tuple[str, str] | None = None
        monkeypatch.setattr(interpreter, "_invoke_resource", self._invoke)
        monkeypatch.setattr(interpreter, "_scaled_sleep", lambda seconds: None)
        definition = definitions.load("training")
        identities = {name: FUNCTION + name for name in definition.functions}
        role = "arn:aws:iam::000000000000:role/training"
        filled = definition.filled({**identities, "ReleaseMachine": RELEASE})
        request = {"name": f"training-{uuid.uuid4()}", "definition": filled, "roleArn": role}
        status, _, body = interpreter._create_state_machine(request)
        assert status == 200, body
        self._arn = json.loads(body)["stateMachineArn"]

    def run(self, **changes: Any) -> dict[str, Any]:
        """The description of the ended execution."""
        asked = {
            "project": "tides",
            "dataset_version": 1,
            "run_id": self.mill.RUN,
            "reason": "new dataset version",
            "trigger": "data",
            "options": {},
        }
        self.called.clear()
        request = {"stateMachineArn": self._arn, "input": json.dumps({**asked, **changes})}
        _, _, body = interpreter._start_sync_execution(request)
        return json.loads(body)

    def _invoke(self, resource: str, request: dict[str, Any]) -> dict[str, Any]:
        if resource == "arn:aws:states:::states:startExecution":
            return self._start(request)
        if resource.startswith(SAGEMAKER):
            return self.jobs.run(resource.removeprefix(SAGEMAKER), request)
        assert resource == "arn:aws:states:::lambda:invoke"
        state, payload = request["FunctionName"].removeprefix(FUNCTION), json.loads(json.dumps(request["Payload"]))
        self.called.append(state)
        try:
            error = self.broken[state](payload) if state in self.broken else None
            if error is not None:
                raise error
            return {"StatusCode": 200, "Payload": self._answer(state, payload)}
        except Exception as error:
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            raise interpreter._ExecutionError(type(error).__name__, cause) from error

    def _answer(self, state: str, payload: dict[str, Any]) -> dict[str, Any]:
        assert payload.pop("project") == "tides"
        if state == "RunTrial" and "error" in payload:
            error, loss = payload.pop("error"), payload.pop("loss")
            reason = f"{error['Error']}: {error['Cause']}"
            return self.mill.step("record_loss", **payload, loss=loss, reason=reason)
        if state == "RunTrial" and self.kills.get(payload["slot"]):
            self.kills[payload["slot"]] -= 1
            running = partial(self.mill.has_running, payload["slot"])
            try:
                return self.mill.step("run_trial", self.mill.killer(running), **payload)
            except self.mill.Killed as killed:
                raise OutOfMemory("the process was killed") from killed
        if state == "FitFinal" and "shard" in payload:
            return self.mill.step("fit_shard", **payload)
        return self.mill.step(STEPS[state], **payload)

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["StateMachineArn"] == RELEASE
        if self.release_fault:
            raise interpreter._ExecutionError(*self.release_fault)
        if request["Name"] in self.started:
            raise interpreter._ExecutionError("StepFunctions.ExecutionAlreadyExistsException", "exists")
        self.started[request["Name"]] = request["Input"]
        return {"ExecutionArn": request["Name"]}
