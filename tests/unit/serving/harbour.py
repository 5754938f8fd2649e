"""A harbour for batch scoring: the serving machine's walk over memory adapters, and ways to disturb it."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill import canonical, names
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.ports import Put
from tidemill.serving import scoring
from tidemill.serving.close_scoring import close_scoring
from tidemill.serving.plan_scoring import plan_scoring
from tidemill.serving.request_scoring import request_scoring
from tidemill.serving.score_part import score_part
from tidemill.serving.scoring import Input, Place

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PROJECT = "tides"
MODEL = 7
HEADER = "delay,stops,wind,carrier,gate"


class Killed(BaseException):
    """The process dies here; no handler of ours may catch it."""


class Watched:
    """A port that announces each call before it is made and after."""

    def __init__(self, port: Any, announce: Callable[[], None]) -> None:
        self._port, self._announce = port, announce

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._announce()
            found = method(*args, **kwargs)
            self._announce()
            return found

        return call


class Harbour:
    """One project's bucket and table with a registered champion, and what the serving machine does."""

    def __init__(self, model: dict[str, bytes]) -> None:
        self.objects, self.index = MemoryObjects(), MemoryIndex()
        for file, body in model.items():
            self.objects.put(names.model(PROJECT, MODEL) + file, body)
        champion = {"epoch": 1, "champion": {"model": MODEL, "function_version": "3"}}
        self.index.transact([Put(names.pk(PROJECT), names.POINTER_LIVE, champion)])

    @staticmethod
    def kill_at(moment: int) -> Callable[[], None]:
        """An announcement that kills the process at its `moment`-th moment, counted from 0."""
        left = iter(range(moment, -1, -1))

        def announce() -> None:
            if next(left, None) == 0:
                raise Killed

        return announce

    @staticmethod
    def lines(count: int) -> list[str]:
        """Data rows that the model takes, some of them without wind or gate."""
        wind = ["3.5", "", "12"]
        return [
            f"{i % 200},{i % 4},{wind[i % 3]},{('AA', 'B6', 'UA')[i % 3]},{('A1', '')[i % 2]}"
            for i in range(count)
        ]

    @classmethod
    def csv(cls, count: int = 20) -> bytes:
        return "\n".join([HEADER, *cls.lines(count), ""]).encode()

    def put(self, path: str, body: bytes) -> Input:
        key = scoring.unscored(PROJECT, path)
        self.objects.put(key, body)
        return Input(path, key, str(len(self.objects.versions[key])), len(body), canonical.sha256(body))

    def ask(self, *files: Input, **changes: Any) -> str:
        """The id of the scoring."""
        wanted = {"model": None, "keep": (), "part_bytes": 1 << 20, "by": "a test", **changes}
        ports = {"objects": self.objects, "index": self.index, "clock": lambda: AT}
        return str(request_scoring(project=PROJECT, files=files, **wanted, **ports)["scoring_id"])

    def step(self, name: str, watch: Callable[[], None] = lambda: None, **request: Any) -> dict[str, Any]:
        """One state of the machine, by its function's name."""
        ports: dict[str, Any] = {"objects": Watched(self.objects, watch), "clock": lambda: AT}
        if name == "close_scoring":
            return close_scoring(**request, **ports, index=Watched(self.index, watch))
        if name == "score_part":
            return score_part(**request, **ports, memory_mb=2048)
        return plan_scoring(**request, **ports, memory_mb=2048, left=lambda: timedelta(minutes=15))

    def walk(self, scoring_id: str, watch: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """The whole way of statemachines/serving.asl.json."""
        ids = {"project": PROJECT, "scoring_id": scoring_id}
        while (planned := self.step("plan_scoring", watch, **ids))["outcome"] != "scored":
            for part in planned.get("parts", ()):
                self.step("score_part", watch, **part)
        return self.step("close_scoring", watch, **ids)

    def score(self, *files: Input, **changes: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The result and the rows of the output."""
        scoring_id = self.ask(*files, **changes)
        return self.walk(scoring_id), self.rows(scoring_id)

    def rows(self, scoring_id: str) -> list[dict[str, Any]]:
        return [row for table in self.tables(scoring_id) for row in table.to_pylist()]

    def tables(self, scoring_id: str) -> Iterator[pa.Table]:
        for key in self.objects.keys(Place(PROJECT, scoring_id).outputs):
            yield pq.read_table(io.BytesIO(self.objects.get(key)))

    def fact(self, key: str) -> Any:
        return json.loads(self.objects.get(key))

    def state(self) -> dict[str, list[bytes | None]]:
        """Everything that the bucket holds."""
        return dict(self.objects.versions)
