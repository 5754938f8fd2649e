"""A shore for uploads: the data machine's walk over memory adapters, and ways to disturb it."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tidemill import names, projects
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.data.accept_version import accept_version
from tidemill.data.close_batch import close_batch
from tidemill.data.compare_version import compare_version
from tidemill.data.divisions import SPLIT_BYTES
from tidemill.data.merge_parts import merge_parts
from tidemill.data.quarantine_upload import quarantine_upload
from tidemill.data.read_part import read_part
from tidemill.data.record_failure import record_failure
from tidemill.data.register_version import register_version
from tidemill.data.validate_version import validate_version
from tidemill.errors import ProjectUnknown

BUCKET = "tides"
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DOCUMENT: dict[str, Any] = {
    "name": "tides",
    "description": "Is the mill pond full?",
    "task": "classification",
    "target": "full",
    "time": "at",
    "min_rows": 10,
    "columns": {
        "at": {"type": "timestamp"},
        "level": {"type": "number", "nullable": True, "minimum": -10, "maximum": 10},
        "gates": {"type": "integer", "minimum": 0},
        "wind": {"type": "category", "allowed": ["N", "E", "S", "W"]},
        "full": {"type": "integer", "allowed": [0, 1]},
    },
    "features": ["level", "gates", "wind"],
}
HEADER = "at,level,gates,wind,full"
Event = dict[str, Any]
Answer = dict[str, Any]


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


class Turns:
    """Tasks that run one at a time and change over only where they announce a call, in an order given from
    outside: every interleaving is a list of numbers, and the same list gives the same run."""

    def __init__(self, choices: Sequence[int]) -> None:
        self._choices = list(choices)
        self._go: list[threading.Semaphore] = []
        self._back = threading.Semaphore(0)
        self._current = 0

    def run(self, tasks: Sequence[Callable[[Callable[[], None]], Any]]) -> list[Any]:
        results: list[Any] = [None] * len(tasks)
        self._go = [threading.Semaphore(0) for _ in tasks]
        unfinished = list(range(len(tasks)))

        def body(number: int) -> None:
            self._go[number].acquire()
            try:
                results[number] = tasks[number](self._announce)
            except Exception as error:  # noqa: BLE001  (handed to the test, which says what it expects)
                results[number] = error
            finally:
                unfinished.remove(number)
                self._back.release()

        threads = [threading.Thread(target=body, args=(number,)) for number in range(len(tasks))]
        for thread in threads:
            thread.start()
        while unfinished:
            choice = self._choices.pop(0) if self._choices else 0
            self._current = unfinished[choice % len(unfinished)]
            self._go[self._current].release()
            self._back.acquire()
        for thread in threads:
            thread.join()
        return results

    def _announce(self) -> None:
        mine = self._current
        self._back.release()
        self._go[mine].acquire()


class Shore:
    """One project's bucket and table, and what the data machine does with an event."""

    Killed = Killed
    BUCKET, AT = BUCKET, AT

    def __init__(self, *, split_bytes: int = SPLIT_BYTES, **changes: Any) -> None:
        self.split_bytes = split_bytes
        self.project = projects.parse({**DOCUMENT, **changes})
        self.objects = MemoryObjects()
        self.index = MemoryIndex()
        self._uploads = 0

    @staticmethod
    def lines(count: int = 20, *, start: int = 0) -> list[str]:
        """Data rows that follow every rule; another `start` gives other rows."""
        return [
            f"2026-01-{i % 28 + 1:02d},{i % 17 / 2 + start / 100},{i % 4},{'NESW'[i % 4]},{i % 2}"
            for i in range(count)
        ]

    @staticmethod
    def csv(lines: Sequence[str], *, header: str = HEADER) -> bytes:
        return "\n".join([header, *lines, ""]).encode()

    @classmethod
    def good(cls, number: int = 0) -> bytes:
        """A valid file; another number gives another content."""
        return cls.csv(cls.lines(start=number))

    @staticmethod
    def kill_at(call: int) -> Callable[[], None]:
        """An announcement that kills the process before its `call`-th call, counted from 0."""
        left = iter(range(call, -1, -1))

        def announce() -> None:
            if next(left, None) == 0:
                raise Killed

        return announce

    @staticmethod
    def interleave(tasks: Sequence[Callable[[Callable[[], None]], Any]], choices: Sequence[int]) -> list[Any]:
        return Turns(choices).run(tasks)

    def load(self, name: str) -> projects.Project:
        if name != self.project.name:
            raise ProjectUnknown(f"no project {name!r} is deployed; add projects/{name}.yaml and deploy again")
        return self.project

    def upload(self, file: str, body: bytes, *, project: str = "tides") -> Event:
        """Put an object; give the event that S3 sends about it."""
        key = names.incoming(project, file)
        self.objects.put(key, body)
        self._uploads += 1
        version_id = str(len(self.objects.versions[key]))
        return {"key": key, "version_id": version_id, "sequencer": f"{self._uploads:016X}"}

    def register(
        self, event: Event, *, watch: Callable[[], None] = lambda: None, take_up: Any = register_version
    ) -> Answer:
        return take_up(
            bucket=BUCKET,
            **event,
            load_project=self.load,
            objects=Watched(self.objects, watch),
            index=Watched(self.index, watch),
            clock=lambda: AT,
            split_bytes=self.split_bytes,
        )

    def merge(self, event: Event, *, watch: Callable[[], None] = lambda: None) -> Answer:
        return self.register(event, watch=watch, take_up=merge_parts)

    def step(self, name: str, watch: Callable[[], None] = lambda: None, **request: Any) -> Answer:
        """One state of the machine, by its function's name."""
        objects, index = Watched(self.objects, watch), Watched(self.index, watch)
        if name == "read_part":
            assert request.pop("project") == self.project.name
            return read_part(project=self.project, **request, objects=objects)
        if name == "validate_version":
            return validate_version(project=self.project, **request, objects=objects, index=index)
        if name == "accept_version":
            return accept_version(project=self.project, **request, objects=objects, index=index, clock=lambda: AT)
        if name == "compare_version":
            return compare_version(project=self.project, **request, objects=objects)
        if name == "record_failure":
            return record_failure(bucket=BUCKET, **request, objects=objects, index=index, clock=lambda: AT)
        if name == "close_batch":
            return close_batch(bucket=BUCKET, **request, objects=objects, index=index, clock=lambda: AT)
        return quarantine_upload(**request, objects=objects, index=index, clock=lambda: AT)

    def walk(self, event: Event, *, watch: Callable[[], None] = lambda: None) -> Answer:
        """The whole way of statemachines/data.asl.json; the last answer, with the run that would start."""
        answer = self.register(event, watch=watch)
        while answer["outcome"] in ("divided", "widened"):
            for part in answer["parts"]:
                self.step("read_part", watch, **part)
            answer = self.merge(event, watch=watch)
        while answer["outcome"] == "waiting":
            place = {name: answer[name] for name in ("project", "folder", "batch_id", "upload_id", "looks")}
            answer = self.step("close_batch", watch, **place)
        ids = {"batch_id": answer["batch_id"]}
        if answer["outcome"] in ("registered", "closed"):
            answer = self.step("validate_version", watch, **ids)
        if answer["outcome"] == "rejected":
            wanted = ("project", "batch_id", "upload_id", "code", "reason", "validation_key")
            fault = {name: answer.get(name) for name in wanted}
            return answer | self.step("quarantine_upload", watch, **fault)
        if answer["outcome"] != "accepted" and not answer.get("same_upload"):
            return answer
        answer = self.step("accept_version", watch, **ids)
        if answer["outcome"] == "accepted":
            answer |= self.step("compare_version", watch, dataset_version=answer["dataset_version"])
        return answer

    def state(self) -> tuple[dict[str, bytes], dict[tuple[str, str], dict[str, Any]]]:
        """Everything that is stored: current objects outside incoming/, and rows."""
        facts = {k: self.objects.get(k) for k in self.objects.keys("") if not k.startswith(names.INCOMING)}
        return facts, dict(self.index.rows)

    def watched(self, watch: Callable[[], None]) -> tuple[Any, Any]:
        """Bucket and table, whose every call is announced."""
        return Watched(self.objects, watch), Watched(self.index, watch)

    def rows(self, prefix: str) -> list[dict[str, Any]]:
        return self.index.query(names.pk(self.project.name), prefix)

    def upload_row(self, upload_id: str) -> dict[str, Any]:
        return self.index.rows[names.pk(self.project.name), names.sk_upload(upload_id)]


@pytest.fixture
def shore() -> Shore:
    return Shore()


@pytest.fixture(scope="session")
def new_shore() -> type[Shore]:
    """The class, for tests that need another project, or more than one shore (a conftest cannot be imported)."""
    return Shore
