"""A mill for datasets: the training machine's walk over memory adapters, and ways to disturb it."""

import copy
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from tidemill import canonical, names, projects
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.data.manifests import File, Manifest
from tidemill.training.choose_compute import choose_compute
from tidemill.training.close_run import close_run
from tidemill.training.evaluate_candidate import evaluate_candidate
from tidemill.training.fit_final import fit_final, fit_shard
from tidemill.training.plan import Options
from tidemill.training.plan_trials import plan_trials
from tidemill.training.prepare_data import prepare_data
from tidemill.training.run_trial import record_loss, run_trial
from tidemill.training.run_tuned_trial import run_tuned_trial
from tidemill.training.sagemaker.requests import Place
from tidemill.training.select_best import select_best
from tidemill.training.stop_run import stop_run
from tidemill.training.studies.storage import StudyStorage
from tidemill.training.studies.trial_rows import PROOF
from tidemill.training.threads import limited
from tidemill.training.worker import Worker

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RUN = "tides-v00001"
DOCUMENT: dict[str, Any] = {
    "name": "tides",
    "description": "Is the mill pond full?",
    "task": "classification",
    "target": "full",
    "time": "at",
    "columns": {
        "at": {"type": "timestamp"},
        "level": {"type": "number", "nullable": True},
        "gates": {"type": "integer"},
        "wind": {"type": "category", "nullable": True},
        "harbour": {"type": "category"},
        "full": {"type": "number"},
    },
    "features": ["level", "gates", "wind", "harbour"],
    "split": {"validation": 0.2, "holdout": 0.2},
    "search": {"trials": 2, "concurrency": 2, "seed": 7, "algorithms": ["linear", "gradient_boosting"]},
    "gates": {"over_baseline": 0.01, "over_champion": 0.0, "parity": 0.0, "holdout_rows": 20},
}


CLASSES = ("neap", "mean", "spring")
PLACE = Place(
    stage="local",
    bucket="tidemill-data",
    table="tidemill-state",
    image="123456789012.dkr.ecr.eu-central-1.amazonaws.com/tidemill:1",
    role="arn:aws:iam::123456789012:role/training-jobs",
)


class Killed(BaseException):
    """The process dies here; no handler of ours may catch it."""


class Watched:
    """A port whose every call is announced before it is made."""

    def __init__(self, port: Any, announce: Callable[[], None]) -> None:
        self._port = port
        self._announce = announce

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._announce()
            return method(*args, **kwargs)

        return call


def tide_rows(count: int = 300, *, seed: int = 1, task: str = "classification") -> pd.DataFrame:
    """Rows whose target depends on every feature, with missing numbers and categories, in the order of time."""
    random = np.random.default_rng(seed)
    level = random.normal(size=count)
    gates = random.integers(0, 5, count)
    wind = random.choice(["N", "E", "S", "W"], count)
    harbour = random.choice(["Brest", "Bilbao", "Cork"], count)
    strength = 1.5 * level - 0.5 * gates + (wind == "N") * 1.0 + (harbour == "Cork") * 1.0
    full = random.random(count) < 1 / (1 + np.exp(-strength))
    value = full.astype(float) if task == "classification" else 100 * strength + random.normal(size=count)
    if task == "named":
        noisy = strength + random.normal(size=count)
        value = np.asarray(CLASSES)[np.searchsorted([-1.0, 1.0], noisy)]
    frame = pd.DataFrame(
        {
            "at": pd.date_range("2026-01-01", periods=count, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "level": level.round(4),
            "gates": gates,
            "wind": wind,
            "harbour": harbour,
            "full": value,
        }
    )
    frame.loc[random.random(count) < 0.1, "level"] = np.nan
    frame.loc[random.random(count) < 0.1, "wind"] = None
    return frame


class Mill:
    """One project's bucket and table, and what the training machine does with a dataset version."""

    Killed = Killed
    AT, RUN = AT, RUN
    rows = staticmethod(tide_rows)
    watched = Watched

    def __init__(self, frame: pd.DataFrame | None = None, **changes: Any) -> None:
        document = copy.deepcopy(DOCUMENT)
        for name, change in changes.items():
            document[name] = {**document.get(name, {}), **change} if isinstance(change, dict) else change
        self.project = projects.parse(document)
        self.objects = MemoryObjects()
        self.index = MemoryIndex()
        self.add_version(1, tide_rows(task=self.project.task) if frame is None else frame)

    @classmethod
    def named(cls, **changes: Any) -> "Mill":
        """A mill whose target names three classes."""
        columns = {**DOCUMENT["columns"], "full": {"type": "category", "allowed": list(CLASSES)}}
        return cls(tide_rows(task="named"), columns={**columns, **changes.pop("columns", {})}, **changes)

    def add_version(self, number: int, frame: pd.DataFrame) -> None:
        """What the data stage leaves behind for training."""
        body = frame.to_csv(index=False).encode()
        sha256 = canonical.sha256(body)
        self.objects.put_new(names.content(sha256), body)
        manifest = Manifest.of("tides", [File(path="a.csv", size=len(body), sha256=sha256, rows=len(frame))])
        fact = {"version": number, **manifest.model_dump(mode="json")}
        self.objects.put_new(names.dataset("tides", number), canonical.dumps(fact))

    def step(self, name: str, watch: Callable[[], None] = lambda: None, **request: Any) -> dict[str, Any]:
        """One state of the machine, by its function's name, on one thread as in its function."""
        with limited({}):
            return self._step(name, watch, **request)

    def _step(self, name: str, watch: Callable[[], None], **request: Any) -> dict[str, Any]:
        objects, index = Watched(self.objects, watch), Watched(self.index, watch)
        ids = {"project": "tides", "run_id": request.pop("run_id", RUN)}
        if name == "prepare_data":
            asked = {"dataset_version": 1, "reason": "new dataset version", "trigger": "data", "rehearsal": False}
            asked |= {"options": Options(**request.pop("options", {})), "project": self.project, **request}
            return prepare_data(**{**ids, **asked}, objects=objects, index=index, clock=lambda: AT)
        studies = StudyStorage(lambda: (index, objects), "tides", clock=lambda: AT)
        if name == "plan_trials":
            options = Options(**request.get("options", {}))
            asked = {"project_name": "tides", "run_id": ids["run_id"], "options": options}
            return plan_trials(**asked, objects=objects, index=index, studies=studies)
        if name == "run_trial":
            how: dict[str, Any] = {"worker": Worker(3008), "index": index, "clock": lambda: AT, **request}
            return run_trial(**ids, **how, objects=objects, studies=studies)
        if name == "choose_compute":
            asked = {"step": "search", "execution": "e1", "tried": False, "place": PLACE, **request}
            return choose_compute(**ids, **asked, objects=objects, index=index)
        if name == "run_tuned_trial":
            how = {"worker": Worker(16384, instance="ml.m5.xlarge"), "say": lambda line: None, **request}
            return run_tuned_trial(**ids, **how, objects=objects, studies=studies, index=index, clock=lambda: AT)
        if name == "record_loss":
            return record_loss(**ids, **request, objects=objects, studies=studies)
        if name == "select_best":
            return select_best(**ids, objects=objects, studies=studies)
        if name == "evaluate_candidate":
            return evaluate_candidate(**ids, objects=objects, index=index, ticks=itertools.count().__next__)
        if name == "close_run":
            request.setdefault("error", None)
            return close_run(**ids, **request, objects=objects, index=index, clock=lambda: AT)
        if name == "fit_shard":
            return fit_shard(**ids, **request, objects=objects)
        assert name == "fit_final"
        return fit_final(**ids, **{"worker": Worker(3008), **request}, objects=objects, clock=lambda: AT)

    def plan(self, **request: Any) -> dict[str, Any]:
        """The first two states: what the run depends on is pinned, its trials are drawn."""
        self.step("prepare_data", **request)
        drawn = {name: request[name] for name in ("run_id", "options") if name in request}
        planned = self.step("plan_trials", **drawn)
        return {"slots": [each["slot"] for each in planned["slots"]], "wide": planned["wide"]}

    def search(
        self,
        slots: Sequence[int] = (0,),
        *,
        most: int = 1000,
        watch: Callable[[], None] = lambda: None,
        **how: Any,
    ) -> list[dict[str, Any]]:
        """The Map over slots, one trial of each slot after the other; what the trials came to."""
        answers: list[dict[str, Any]] = []
        free = list(slots)
        while free and len(answers) < most:
            slot = free.pop(0)
            answer = self.step("run_trial", watch, slot=slot, **how)
            if answer["more"]:
                free.append(slot)
            answers.append(answer)
        return [answer for answer in answers if answer["trial"] is not None]

    def claimed(self, trial: int, run_id: str = RUN) -> Callable[[], bool]:
        """Whether a slot has claimed the trial of that number."""
        return lambda: len(self.study(run_id).get_trials(deepcopy=False)) > trial

    def has_running(self, slot: int, run_id: str = RUN) -> bool:
        """Whether the slot has begun a trial that has not ended."""
        running = self.study(run_id).get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return any(trial.user_attrs["slot"] == slot for trial in running)

    def stop_at(self, trials: int, run_id: str = RUN) -> Callable[[Any], None]:
        """To be called before each task: a person stops the run once so many trials have their result."""

        def before(_: Any) -> None:
            done = list(self.objects.keys(names.run("tides", run_id) + "trials/"))
            if len(done) >= trials:
                self.stop(run_id)

        return before

    def stop(self, run_id: str = RUN) -> dict[str, Any]:
        """What a person does who wants no more trials."""
        asked = {"by": "a person", "reason": "it is late"}
        return stop_run(project="tides", run_id=run_id, **asked, index=self.index, clock=lambda: AT)

    def killer(self, when: Callable[[], bool]) -> Callable[[], None]:
        """To be called before each call to a port: kills the process as soon as `when` holds."""

        def announce() -> None:
            if when():
                raise Killed

        return announce

    def studies(self) -> StudyStorage:
        """The storage of the project's studies, as a notebook has it."""
        return StudyStorage(lambda: (self.index, self.objects), "tides", clock=lambda: AT)

    def study(self, run_id: str = RUN) -> optuna.Study:
        """The study of a run."""
        return optuna.load_study(study_name=run_id, storage=self.studies())

    def walk(self, **request: Any) -> dict[str, Any]:
        """The whole way of statemachines/training.asl.json; the evaluation."""
        run_id = {"run_id": request.get("run_id", RUN)}
        self.search(self.plan(**request)["slots"], **run_id)
        self.step("select_best", **run_id)
        self.step("fit_final", **run_id)
        passed = self.step("evaluate_candidate", **run_id)["passed"]
        self.step("close_run", state="passed" if passed else "refused", **run_id)
        return self.file("evaluation.json", **run_id)

    def file(self, path: str, run_id: str = RUN) -> dict[str, Any]:
        """A JSON file of a run."""
        return json.loads(self.objects.get(names.run("tides", run_id) + path))

    def row(self, run_id: str = RUN) -> dict[str, Any]:
        """The run's row."""
        return self.index.rows[names.pk("tides"), names.sk_run(run_id)]

    def audit(self) -> list[str]:
        """What the audit says has been done, in no order."""
        return sorted(row["action"] for row in self.index.query(names.pk("tides"), names.AUDIT))

    def gate(self, name: str, run_id: str = RUN) -> dict[str, Any]:
        """A gate of the run's evaluation."""
        return next(gate for gate in self.file("evaluation.json", run_id)["gates"] if gate["gate"] == name)

    def crown(self, run_id: str = RUN, number: int = 1) -> None:
        """Make the run's final model the champion, as the release stage does."""
        source, target = names.run("tides", run_id) + "final/", names.model("tides", number)
        final = self.file("final/final.json", run_id)
        for file in ("model.skops", "model.onnx", "profile.json"):
            self.objects.copy_new(source + file, target + file)
        self.objects.put_new(target + "model.json", canonical.dumps({**final, "version": number}))
        pointer = {"epoch": number, "champion": {"model": number, "function_version": str(number + 1)}}
        self.index.rows[names.pk("tides"), names.POINTER_LIVE] = pointer

    def state(self) -> tuple[dict[str, list[bytes]], dict[tuple[str, str], dict[str, Any]]]:
        """Everything that is stored, every version of it, but the proofs: each writer draws its own."""
        rows = {key: {name: row[name] for name in row if name != PROOF} for key, row in self.index.rows.items()}
        return copy.deepcopy(self.objects.versions), copy.deepcopy(rows)

    def restore(self, state: tuple[Any, Any]) -> None:
        self.objects.versions, self.index.rows = copy.deepcopy(state[0]), copy.deepcopy(state[1])


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    with limited({}):
        yield


@pytest.fixture
def mill() -> Mill:
    return Mill()


@pytest.fixture(scope="session")
def new_mill() -> type[Mill]:
    """The class, for tests that need another project or other rows (a conftest cannot be imported)."""
    return Mill


@pytest.fixture(scope="session")
def _walked() -> tuple[Any, Any]:
    mill = Mill()
    mill.walk()
    return mill.state()


@pytest.fixture
def walked(_walked: tuple[Any, Any]) -> Mill:
    """A mill whose first run has ended; each test has its own copy."""
    mill = Mill()
    mill.restore(_walked)
    return mill
