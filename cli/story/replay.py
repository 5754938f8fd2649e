"""Replay rows as requests through the HTTP API, as client applications would send them; outcomes follow late.

The rows are dealt at random into requests: each request is then a small sample of the whole month, and any part
of the replay stands for all of it. Outcomes lag behind by many requests, and come in bulk, like a nightly report.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cli.api import Api
from cli.errors import Refused
from tidemill.projects import Kind, Project

CLIENTS = 3
ROUND = 30  # requests sent before anyone looks whether to go on
LAG = 2  # rounds that pass before a round's outcomes are known
OUTCOMES_AT_ONCE = 1000

Instance = dict[str, Any]


@dataclass
class Replay:
    """What was sent and answered: requests and rows, requests per model version, outcomes accepted."""

    requests: int = 0
    rows: int = 0
    outcomes: int = 0
    models: Counter[int] = field(default_factory=Counter)
    variants: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: "Replay") -> "Replay":
        self.requests += other.requests
        self.rows += other.rows
        self.outcomes += other.outcomes
        self.models += other.models
        self.variants += other.variants
        return self


def replay(
    api: Api,
    project: Project,
    rows: pd.DataFrame,
    *,
    per_request: int,
    seed: int,
    enough: Callable[[Replay], bool] = lambda _: False,
    with_outcomes: bool = True,
) -> Replay:
    """Send the rows until they are used up or it is `enough`, asked after each round; then hand in what outcomes
    are left.

    Raises ApiError when the API refuses a request, Refused when it does not count every outcome.
    """
    sent = Replay()
    pending: deque[list[dict[str, Any]]] = deque()
    with ThreadPoolExecutor(CLIENTS) as clients:
        for requests in rounds(deal(rows, project, per_request=per_request, seed=seed), ROUND):
            answers = clients.map(lambda request: api.predict(project.name, request[0]), requests)
            pending.append(note(sent, requests, list(answers)))
            if with_outcomes and len(pending) > LAG:
                hand_in(api, project.name, pending.popleft(), sent)
            if enough(sent):
                break
        if with_outcomes:
            hand_in(api, project.name, [outcome for late in pending for outcome in late], sent)
    return sent


def deal(
    rows: pd.DataFrame, project: Project, *, per_request: int, seed: int
) -> Iterator[tuple[list[Instance], list[float]]]:
    """The rows in random order as requests: features as the API takes them, and the outcomes kept back."""
    order = np.random.default_rng(seed).permutation(len(rows))
    for start in range(0, len(rows), per_request):
        part = rows.iloc[order[start : start + per_request]]
        yield instances(part, project), [float(value) for value in part[project.target]]


def instances(rows: pd.DataFrame, project: Project) -> list[Instance]:
    """The features of the rows as JSON values; a missing value is null."""
    columns = {
        name: [_value(value, kind.type) for value in rows[name]]
        for name, kind in project.feature_columns().items()
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def rounds(requests: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """The requests in lists of `size`."""
    found: list[Any] = []
    for request in requests:
        found.append(request)
        if len(found) == size:
            yield found
            found = []
    if found:
        yield found


def note(
    sent: Replay, requests: Sequence[tuple[list[Instance], list[float]]], answers: Sequence[Any]
) -> list[Any]:
    """Count the answers, and pair each prediction with its outcome."""
    known = []
    for (asked, truth), answer in zip(requests, answers, strict=True):
        predictions = answer["predictions"]
        if len(predictions) != len(asked):
            raise Refused(f"the API answered {len(predictions)} predictions for {len(asked)} instances")
        sent.requests += 1
        sent.rows += len(asked)
        sent.models[int(answer["model_version"])] += 1
        sent.variants[str(answer["variant"])] += 1
        known += [
            {"prediction_id": prediction["prediction_id"], "outcome": outcome}
            for prediction, outcome in zip(predictions, truth, strict=True)
        ]
    return known


def hand_in(api: Api, project: str, outcomes: Sequence[dict[str, Any]], sent: Replay) -> None:
    """Send outcomes in bulk."""
    for start in range(0, len(outcomes), OUTCOMES_AT_ONCE):
        part = outcomes[start : start + OUTCOMES_AT_ONCE]
        accepted = api.send_outcomes(project, part)["accepted"]
        if accepted != len(part):
            raise Refused(f"the API accepted {accepted} of {len(part)} outcomes")
        sent.outcomes += accepted


def _value(value: Any, kind: Kind) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind is Kind.TIMESTAMP:
        return None if pd.isna(value) else value.isoformat()
    if kind is Kind.INTEGER:
        return int(value)
    return float(value) if kind.numeric else str(value)
