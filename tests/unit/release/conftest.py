"""A project in memory with finished runs, and a way to be killed at any call."""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tidemill import canonical, names, projects
from tidemill.adapters.memory import (
    MemoryCallbacks,
    MemoryEndpoints,
    MemoryGuards,
    MemoryIndex,
    MemoryNotices,
    MemoryObjects,
)
from tidemill.ports import Put
from tidemill.release.answer_in_shadow import answer_in_shadow
from tidemill.release.decide_release import decide_release
from tidemill.release.judge_experiment import judge_experiment
from tidemill.release.publish_version import publish_version
from tidemill.release.register_model import register_model
from tidemill.release.request_approval import request_approval
from tidemill.release.settle_release import settle_release
from tidemill.release.shift_traffic import shift_traffic
from tidemill.release.steer_release import steer_release
from tidemill.release.withdraw_challenger import Alarm, withdraw_challenger

T0 = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PK = names.pk("tides")


def project(**rollout: Any) -> projects.Project:
    return projects.parse(
        {
            "name": "tides",
            "description": "Will the tide be high?",
            "task": "classification",
            "target": "high",
            "columns": {
                "high": {"type": "integer"},
                "moon": {"type": "number", "minimum": 0},
                "harbour": {"type": "category", "nullable": True, "allowed": ["a", "b"]},
            },
            "features": ["moon", "harbour"],
            "rollout": {"steps": [0.1, 0.5], "look_minutes": 15, "margin": 0.05, "min_units": 20, **rollout},
        }
    )


class Killed(BaseException):
    """The process is gone; nothing in it can catch that."""


@dataclass
class Life:
    """How many more calls of the outside world a process lives through; None: all."""

    calls: int | None = None

    def spend(self) -> None:
        if self.calls is not None:
            if self.calls == 0:
                self.calls = None
                raise Killed
            self.calls -= 1


@dataclass
class Mortal:
    """A port that is killed before the call for which there is no life left."""

    port: Any
    life: Life
    made: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.port, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            self.life.spend()
            self.made.append(name)
            return method(*arguments, **keywords)

        return call


class World:
    """Project `tides` over stores in memory, its use cases as the machine calls them."""

    def __init__(self, **rollout: Any) -> None:
        self.retries = False  # whether a task that was killed is tried again, as the state machine does
        self.retried = 0
        self.room: dict[str, int] | None = None
        self.problem = project(**rollout)
        self.endpoints, self.guards, self.life = MemoryEndpoints(), MemoryGuards(), Life()
        self.callbacks, self.notices = MemoryCallbacks(), MemoryNotices()
        self.over(MemoryObjects(), MemoryIndex())
        self.now = T0

    def over(self, objects: Any, index: Any) -> None:
        """Use these stores."""
        self.objects, self.index = objects, index
        self.ports = [Mortal(port, self.life) for port in (objects, index, self.endpoints, self.guards)]
        self.people = [Mortal(port, self.life) for port in (self.callbacks, self.notices)]

    def run(
        self, run_id: str, *, passed: bool = True, content: bytes = b"", form: str | None = None, **more: Any
    ) -> str:
        """A run that has finished, with its artifacts; once."""
        files = {name: f"{name} of {run_id}".encode() + content for name in ("model.onnx", "model.skops")}
        files["profile.json"] = b"{}"
        folder = names.run("tides", run_id)
        for name, body in files.items():
            self.objects.put_new(f"{folder}final/{name}", body)
        final = {
            "threshold": 0.35,
            "features": [
                {"name": "moon", "type": "number", "nullable": False, "minimum": 0},
                {"name": "harbour", "type": "category", "nullable": True, "allowed": ["a", "b"]},
            ],
            "sha256": {name: canonical.sha256(body) for name, body in files.items()},
            **more,
        }
        evaluation = {
            "metrics": {"log_loss": 0.41, "auc": 0.8},
            "baseline": {"constant": 0.3, "metrics": {"log_loss": 0.61}},
            "champion": {"model": 1, "function_version": "2", "metrics": {"log_loss": 0.43}},
            "gates": [
                {"gate": "over_baseline", "verdict": "passed", "reason": "33 % better"},
                {"gate": "champion", "verdict": "waived", "reason": "worse", "waived": "a rehearsal | by hand"},
            ],
            **({"form": form} if form else {}),
            "passed": passed,
            "reason": "passed" if passed else "over_champion refused",
        }
        self.objects.put_new(f"{folder}final/final.json", canonical.dumps(final))
        self.objects.put_new(f"{folder}evaluation.json", canonical.dumps(evaluation))
        row = {"run_id": run_id, "dataset_version": 3, "state": "passed"}
        if self.index.get(PK, names.sk_run(run_id)) is None:
            self.index.transact([Put(PK, names.sk_run(run_id), row)])
        return run_id

    def task(self, use_case: Callable[..., Any], **arguments: Any) -> Any:
        """What the state machine does with a Lambda function."""
        try:
            return use_case(**arguments, clock=self.clock)
        except Killed:
            if not self.retries:
                raise
            self.retried += 1
            return use_case(**arguments, clock=self.clock)

    def register(self, run_id: str) -> int:
        objects, index, *_ = self.ports
        found = self.task(register_model, problem=self.problem, run_id=run_id, objects=objects, index=index)
        return found["model_version"]

    def publish(self, model: int, release_id: str) -> dict[str, Any]:
        objects, index, endpoints, guards = self.ports
        return self.task(
            publish_version,
            problem=self.problem,
            model_version=model,
            release_id=release_id,
            objects=objects,
            index=index,
            endpoints=endpoints,
            guards=guards,
            room=self.room,
        )

    def shift(self, release_id: str, step: int, look_seconds: float | None = None) -> dict[str, Any]:
        objects, index, endpoints, guards = self.ports
        return self.task(
            shift_traffic,
            project="tides",
            release_id=release_id,
            step=step,
            look_seconds=look_seconds,
            objects=objects,
            index=index,
            endpoints=endpoints,
            guards=guards,
        )

    def judge(self, release_id: str, look: int | None = None) -> dict[str, Any]:
        objects, index, *_ = self.ports
        return self.task(
            judge_experiment,
            project="tides",
            release_id=release_id,
            look=look,
            look_seconds=None,
            objects=objects,
            index=index,
        )

    def shadow(self, release_id: str, minutes: float = 5) -> dict[str, Any]:
        """Asks the challenger what the champion was asked; the function may run for so many minutes."""
        objects, index, endpoints, _ = self.ports
        return self.task(
            answer_in_shadow,
            project="tides",
            release_id=release_id,
            objects=objects,
            index=index,
            endpoints=endpoints,
            left=lambda: timedelta(minutes=minutes),
        )

    def settle(
        self, release_id: str | None, verdict: str, reason: str = "because", by: str | None = None
    ) -> dict[str, Any]:
        objects, index, endpoints, guards = self.ports
        return self.task(
            settle_release,
            project="tides",
            release_id=release_id,
            verdict=verdict,
            reason=reason,
            by=by,
            objects=objects,
            index=index,
            endpoints=endpoints,
            guards=guards,
        )

    def alarm(self, **changes: Any) -> dict[str, Any]:
        """The guard's alarm on version 3 in release 2 goes off, unless told otherwise."""
        objects, index, endpoints, guards = self.ports
        told = {
            "name": "tidemill-dev-guard-errors-tides",
            "description": "Release tides-v00002: more than 5.00% of the requests fail",
            "version": "3",
            "reason": "Threshold Crossed: 1 datapoint [0.5] was greater than the threshold (0.05).",
        }
        return self.task(
            withdraw_challenger,
            project="tides",
            alarm=Alarm(**{**told, **changes}),
            objects=objects,
            index=index,
            endpoints=endpoints,
            guards=guards,
        )

    def ask(self, run_id: str, token: str = "token-1") -> dict[str, Any]:
        """The state RequestApproval: the execution waits under the token from here on."""
        objects, index, *_ = self.ports
        callbacks, notices = self.people
        self.callbacks.waiting.add(token)
        return self.task(
            request_approval,
            problem=self.problem,
            release_id=run_id,
            run_id=run_id,
            model_version=self.row(names.sk_run(run_id))["model_version"],
            token=token,
            objects=objects,
            index=index,
            callbacks=callbacks,
            notices=notices,
        )

    def decide(
        self, release_id: str, word: str, by: str, reason: str = "because", self_approval: bool = False
    ) -> dict[str, Any]:
        objects, index, *_ = self.ports
        return self.task(
            decide_release,
            project="tides",
            release_id=release_id,
            word=word,
            reason=reason,
            by=by,
            self_approval=self_approval,
            objects=objects,
            index=index,
            callbacks=self.people[0],
        )

    def steer(self, action: str, by: str = "arn:ada", reason: str = "because", epoch: int | None = None) -> Any:
        objects, index, endpoints, guards = self.ports
        return self.task(
            steer_release,
            project="tides",
            action=action,
            reason=reason,
            by=by,
            epoch=epoch,
            objects=objects,
            index=index,
            endpoints=endpoints,
            guards=guards,
        )

    def clock(self) -> datetime:
        return self.now

    def released(self, run_id: str) -> int:
        """The run's model, promoted without an experiment."""
        model = self.register(self.run(run_id))
        self.publish(model, run_id)
        self.settle(run_id, "promote", "given")
        return model

    def experiment(self, run_id: str) -> int:
        """The run's model as a challenger whose release is running, before its first share of traffic."""
        model = self.register(self.run(run_id))
        self.publish(model, run_id)
        return model

    def traffic(
        self,
        variants: Sequence[str],
        skill: Callable[[str], float],
        *,
        name: str,
        at: datetime | None = None,
        weight: float = 0.1,
        requests: int = 400,
        seed: int = 0,
    ) -> None:
        """Requests captured and their outcomes: champion and challenger answer with log odds of that skill."""
        rng = np.random.default_rng(seed)
        when = (at or self.now).isoformat()
        captured, outcomes = [], []
        for number in range(requests):
            variant = variants[int(rng.random() < weight)]
            truth = rng.integers(0, 2, 5)
            signal = skill(variant) * (2 * truth - 1) + rng.normal(0, 1, 5)
            ids = [f"{name}-{number}.{n}" for n in range(5)]
            answers = [
                {"prediction_id": i, "prediction": int(p > 0.5), "probability": float(p), "features": {}}
                for i, p in zip(ids, 1 / (1 + np.exp(-2 * signal)), strict=True)
            ]
            captured.append(
                {"request_id": f"{name}-{number}", "at": when, "variant": variant, "instances": answers}
            )
            outcomes += [
                {"prediction_id": i, "outcome": int(y), "at": when} for i, y in zip(ids, truth, strict=True)
            ]
        self.store(captured, outcomes, name)

    def named_traffic(
        self, variants: Sequence[str], skill: Callable[[str], float], *, name: str, weight: float, seed: int
    ) -> None:
        """As `traffic`, about three named classes."""
        rng, classes, when = np.random.default_rng(seed), ("ebb", "flood", "slack"), self.now.isoformat()
        captured, outcomes = [], []
        for number in range(400):
            variant = variants[int(rng.random() < weight)]
            answers = []
            for place, truth in enumerate(rng.integers(0, 3, 5)):
                odds = np.exp(rng.normal(0, 1, 3) + 2 * skill(variant) * (np.arange(3) == truth))
                chances = dict(zip(classes, (odds / odds.sum()).tolist(), strict=True))
                said = max(chances, key=lambda each: chances[each])
                identity = f"{name}-{number}.{place}"
                answers.append(
                    {"prediction_id": identity, "prediction": said, "probabilities": chances, "features": {}}
                )
                outcomes.append({"prediction_id": identity, "outcome": classes[truth], "at": when})
            request = {"request_id": f"{name}-{number}", "at": when, "variant": variant}
            captured.append({**request, "instances": answers})
        self.store(captured, outcomes, name)

    def store(self, captured: list[dict[str, Any]], outcomes: list[dict[str, Any]], name: str) -> None:
        day = self.now.date().isoformat()
        text = "\n".join(json.dumps(line) for line in captured).encode()
        self.objects.put(f"{names.captured('tides', day)}{name}.jsonl.gz", gzip.compress(text, mtime=0))
        text = "\n".join(json.dumps(line) for line in outcomes).encode()
        self.objects.put(f"{names.outcomes('tides', day)}{name}.jsonl", text)

    def row(self, sk: str) -> dict[str, Any]:
        row = self.index.get(PK, sk)
        assert row is not None, sk
        return row

    def fact(self, key: str) -> dict[str, Any]:
        return json.loads(self.objects.get(key))

    @property
    def pointer(self) -> dict[str, Any]:
        return self.row(names.POINTER_LIVE)

    def state(self) -> dict[str, Any]:
        """Everything that there is, to be compared."""
        return {
            "rows": self.index.rows,
            "objects": self.objects.versions,
            "aliases": self.endpoints.aliases,
            "versions": self.endpoints.published,
            "watched": self.guards.watched,
            "answers": self.callbacks.completed,
        }


def survives(make: Callable[[], World], act: Callable[[World], object]) -> int:
    """Check that `act` ends as if nothing had happened, whichever of its calls a task is killed before and then
    tried again; how many calls there are."""
    whole = make()
    ports = [*whole.ports, *whole.people]
    for port in ports:
        port.made.clear()
    act(whole)
    calls = sum(len(port.made) for port in ports)
    for survived in range(calls):
        world = make()
        world.retries, world.life.calls = True, survived
        act(world)
        assert world.retried == 1
        assert world.state() == whole.state(), f"killed before call {survived + 1} of {calls}"
    return calls


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def make_world() -> type[World]:
    return World


@pytest.fixture
def killed() -> type[Killed]:
    return Killed


@pytest.fixture
def survive() -> Callable[..., int]:
    return survives
