"""One search of a peer: reads lines of JSON, answers each with one. Run by `search_peers.PeerProcess` in the
peers' environment, in which Tidemill is not installed.

`{}` → `{}`; `{"ask": true}` → `{"ticket", "point": [d]}`; `{"ticket", "values"}` → `{}`.
"""

import json
import os
import sys
import warnings
from functools import partial
from typing import Any

from benchmarks.search_peers import Task

warnings.simplefilter("ignore")

Point = list[float]


class Skopt:
    """scikit-optimize's `Optimizer`, expected improvement."""

    def __init__(self, task: Task) -> None:
        import skopt

        self._optimizer = skopt.Optimizer([(0.0, 1.0)] * task.dimensions, acq_func="EI", random_state=task.seed)
        self._points: dict[int, Point] = {}
        self._count = 0

    def ask(self) -> tuple[int, Point]:
        self._count += 1
        self._points[self._count] = self._optimizer.ask()
        return self._count, self._points[self._count]

    def tell(self, ticket: int, values: list[float]) -> None:
        self._optimizer.tell(self._points.pop(ticket), values[0])


class Nevergrad:
    """Two algorithms of nevergrad. Its `NGOpt`, which chooses one, is left out: for one worker it takes COBYLA, in
    a thread that stops for ever on a busy machine."""

    def __init__(self, task: Task, name: str) -> None:
        import nevergrad

        parameters = nevergrad.p.Array(shape=(task.dimensions,)).set_bounds(0.0, 1.0)
        parameters.random_state.seed(task.seed)
        self._optimizer = nevergrad.optimizers.registry[name](
            parameters, budget=task.budget, num_workers=task.workers
        )
        self._candidates: dict[int, Any] = {}
        self._count = 0

    def ask(self) -> tuple[int, Point]:
        candidate = self._optimizer.ask()
        self._count += 1
        self._candidates[self._count] = candidate
        return self._count, [float(part) for part in candidate.value]

    def tell(self, ticket: int, values: list[float]) -> None:
        self._optimizer.tell(self._candidates.pop(ticket), values[0] if len(values) == 1 else values)


class OptunaGp:
    """Optuna's own Gaussian process, which needs PyTorch."""

    def __init__(self, task: Task) -> None:
        import optuna
        import torch

        torch.set_num_threads(1)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = {f"x{n}": optuna.distributions.FloatDistribution(0, 1) for n in range(task.dimensions)}
        sampler = optuna.samplers.GPSampler(seed=task.seed)
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * task.values)
        self._trials: dict[int, Any] = {}

    def ask(self) -> tuple[int, Point]:
        trial = self._study.ask(self._space)
        self._trials[trial.number] = trial
        return trial.number, [trial.params[name] for name in self._space]

    def tell(self, ticket: int, values: list[float]) -> None:
        self._study.tell(self._trials.pop(ticket), values)


SEARCHES: dict[str, Any] = {
    "skopt": Skopt,
    "optuna_gp": OptunaGp,
    **{name: partial(Nevergrad, name=name) for name in ("CMA", "TwoPointsDE")},
}


def main() -> None:
    name, *numbers = sys.argv[1:]
    search = SEARCHES[name](Task(*map(int, numbers)))
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    for line in sys.stdin:
        message, answer = json.loads(line), {}
        if "ask" in message:
            ticket, point = search.ask()
            answer = {"ticket": ticket, "point": list(point)}
        elif "ticket" in message:
            search.tell(message["ticket"], message["values"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)  # nevergrad leaves a thread that would keep the process


if __name__ == "__main__":
    main()
