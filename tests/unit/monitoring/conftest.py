"""A small project with a model and captured predictions, in memory, and ways to disturb what uses it."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tidemill import names, projects
from tidemill.adapters.memory import MemoryIndex, MemoryObjects, MemoryWorkflows
from tidemill.data.profile import PREDICTION, build_profile
from tidemill.monitoring.build_window import build_window
from tidemill.monitoring.detect_drift import detect_drift
from tidemill.monitoring.request_retraining import Request, request_retraining
from tidemill.ports import Put
from tidemill.projects import Kind, Project
from tidemill.serving.deliver_capture import deliver_capture

NAME = "tides"
NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
DOCUMENT: dict[str, Any] = {
    "name": NAME,
    "description": "How high is the water in <an hour>?",
    "task": "regression",
    "target": "height",
    "columns": {
        "height": {"type": "number"},
        "wind": {"type": "number", "nullable": True},
        "moon": {"type": "integer"},
        "harbour": {"type": "category"},
    },
    "features": ["wind", "moon", "harbour"],
    "drift": {"min_rows": 300, "psi": 0.2, "alpha": 0.01, "features": 2},
    "retraining": {"cool_down_hours": 24},
}


CLASSES = ("neap", "mean", "spring")


class Killed(BaseException):
    """The process ends here: not an Exception, so that no use case can take it for a fault."""


class Disturbed:
    """A port of which each call is counted in `Disturbance` and may be disturbed before or after it happens."""

    def __init__(self, port: Any, disturbance: "Disturbance") -> None:
        self._port, self._disturbance = port, disturbance

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._disturbance.step()
            result = method(*args, **kwargs)
            self._disturbance.step()
            return list(result) if name == "keys" else result

        return call


class Disturbance:
    """Calls `action` at the step numbered `at`, once. There are two steps per call of a port: before and after."""

    def __init__(self, at: int, action: Callable[[], None]) -> None:
        self.at, self.action, self.steps = at, action, 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            self.action()


def kill() -> None:
    raise Killed


class World:
    """The stage's ports, a clock that stands still, and its three use cases."""

    def __init__(self, **changes: Any) -> None:
        self.project: Project = projects.parse({**DOCUMENT, **changes})
        self.objects, self.index, self.workflows = MemoryObjects(), MemoryIndex(), MemoryWorkflows()
        self.now = NOON
        self._given = 0
        self.by_name = bool(self.project.classes)

    def clock(self) -> datetime:
        return self.now

    def row(self, sk: str) -> dict[str, Any] | None:
        return self.index.get(names.pk(NAME), sk)

    def rows(self, prefix: str) -> list[dict[str, Any]]:
        return self.index.query(names.pk(NAME), prefix)

    def put(self, sk: str, **row: Any) -> None:
        self.index.transact([Put(names.pk(NAME), sk, row)])

    def window(self, window_id: str, file: str = "window.json") -> Any:
        return json.loads(self.objects.get(names.window(NAME, window_id) + file))

    def release(self, model: int = 1) -> None:
        """Make a model version the champion, with the profile of what it was trained on."""
        rows = draw(4000, seed=0)
        said = Kind.CATEGORY if self.by_name else Kind.NUMBER
        kinds = {"wind": Kind.NUMBER, "moon": Kind.INTEGER, "harbour": Kind.CATEGORY, PREDICTION: said}
        columns = {**rows, PREDICTION: self.answers(rows)}
        key = names.model(NAME, model) + "profile.json"
        self.objects.put_new(key, json.dumps(build_profile(columns, kinds)).encode())
        self.put(names.POINTER_LIVE, epoch=1, champion={"model": model, "function_version": "2"})

    def capture(
        self,
        count: int,
        *,
        days_ago: int = 0,
        shift: float = 0.0,
        model: int = 1,
        copies: int = 1,
        masked: Sequence[str] = (),
    ) -> str:
        """Capture predictions as one object; gives its key. Each call has its own prediction ids."""
        self._given += 1
        rows = draw(count, seed=self._given, shift=shift)
        instances = [
            {
                "prediction_id": f"request-{self._given}.{i}",
                "features": {name: plain(values[i]) for name, values in rows.items() if name not in masked},
                **self.told(value),
            }
            for i, value in enumerate(self.answers(rows))
        ]
        line = {
            "kind": names.CAPTURE_TERM,
            "project": NAME,
            "at": (self.now - timedelta(days=days_ago)).isoformat(),
            "request_id": f"request-{self._given}",
            "variant": "2",
            "model_version": model,
            "entity_id": None,
            **({"masked": masked} if masked else {}),
            "instances": instances,
        }
        before = set(self.objects.keys(names.captured(NAME)))
        deliver_capture([json.dumps(line)] * copies, objects=self.objects)
        return next(iter(set(self.objects.keys(names.captured(NAME))) - before))

    def answers(self, rows: dict[str, Any]) -> Any:
        """What a model says: a height, or the name of one of CLASSES."""
        heights = predicted(rows)
        return np.asarray(CLASSES)[np.searchsorted([6.0, 7.0], heights)] if self.by_name else heights

    def told(self, value: Any) -> dict[str, Any]:
        """An answer as it is captured."""
        if not self.by_name:
            return {"prediction": float(value)}
        return {"prediction": str(value), "probabilities": {name: float(name == value) for name in CLASSES}}

    def build(self, *, disturbed: Disturbance | None = None, trigger: str = "schedule") -> dict[str, Any]:
        objects, index = self._ports(disturbed)
        return build_window(project=self.project, trigger=trigger, objects=objects, index=index, clock=self.clock)

    def detect(self, window_id: str, *, disturbed: Disturbance | None = None) -> dict[str, Any]:
        objects, index = self._ports(disturbed)
        return detect_drift(
            project=self.project, window_id=window_id, objects=objects, index=index, clock=self.clock
        )

    def ask(
        self, request: str = "first", *, cool_down: float | None = None, disturbed: Disturbance | None = None
    ) -> dict[str, Any]:
        index: Any = Disturbed(self.index, disturbed) if disturbed else self.index
        workflows: Any = Disturbed(self.workflows, disturbed) if disturbed else self.workflows
        return request_retraining(
            project=self.project,
            request=Request(id=request, reason="the alarm went off", at=NOON),
            cool_down_seconds=cool_down,
            index=index,
            workflows=workflows,
            clock=self.clock,
        )

    def state(self) -> tuple[dict[str, list[bytes]], dict[Any, Any]]:
        """Everything that is stored."""
        return {key: versions[-1:] for key, versions in self.objects.versions.items()}, dict(self.index.rows)

    def _ports(self, disturbed: Disturbance | None) -> tuple[Any, Any]:
        if disturbed is None:
            return self.objects, self.index
        return Disturbed(self.objects, disturbed), Disturbed(self.index, disturbed)


def draw(count: int, *, seed: int, shift: float = 0.0) -> dict[str, Any]:
    """Rows of the project. `shift` moves wind and harbour, not the moon."""
    rng = np.random.default_rng(seed)
    wind = rng.normal(10 + 5 * shift, 3, count)
    wind[rng.random(count) < 0.05] = np.nan
    harbours = np.array(["Cádiz", "Brest", "Saint-Malo"])
    chances = np.array([0.6, 0.3, 0.1]) if not shift else np.array([0.2, 0.3, 0.5])
    return {
        "wind": wind,
        "moon": rng.integers(0, 30, count).astype(float),
        "harbour": rng.choice(harbours, count, p=chances),
    }


def predicted(rows: dict[str, Any]) -> Any:
    return np.nan_to_num(rows["wind"], nan=10.0) / 2 + rows["moon"] / 10


def plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    return None if np.isnan(value) else float(value)


@pytest.fixture
def world() -> World:
    """A project with a champion and nothing captured yet."""
    made = World()
    made.release()
    return made


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Makes worlds whose project file differs from the usual one in the parts given."""

    def make(**changes: Any) -> World:
        made = World(**changes)
        made.release()
        return made

    return make


@pytest.fixture
def disturb() -> type[Disturbance]:
    return Disturbance


@pytest.fixture
def kill_at() -> Callable[[int], Disturbance]:
    """A disturbance that ends the process at a step."""
    return lambda at: Disturbance(at, kill)


@pytest.fixture
def killed() -> type[Killed]:
    return Killed
