"""A scoring: one model version over files, in parts. Its facts, where each lies, and how it is written once.

`request_scoring` writes `request.json`, PlanScoring `files/…` and `plan.json`, ScorePart `output/…` and `parts/…`,
CloseScoring `result.json`. All use cases read and write through here.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from tidemill import names
from tidemill.errors import RecordNotFound
from tidemill.ports import ObjectStore
from tidemill.stored import JsonObject
from tidemill.stored import keep as keep
from tidemill.stored import read as read
from tidemill.stored import verified as verified

PART_BYTES = 32 << 20
"""Bytes of a file that one worker takes, about: half a minute of its time."""

WAVE = 500
"""Parts that are given to workers at a time: what a state hands on stays far below 256 KB."""


def unscored(project: str, path: str = "") -> str:
    """A file that was uploaded to be scored, below a part of its SHA-256; without a path, the folder of all."""
    return f"{names.UNSCORED}{project}/{path}"


def scorings(project: str) -> str:
    """The folder of all scorings of a project."""
    return f"{names.SCORES}{project}/"


@dataclass(frozen=True)
class Place:
    """A scoring of a project, and its keys. Files and parts are counted from 1."""

    project: str
    scoring_id: str

    @property
    def folder(self) -> str:
        return f"{scorings(self.project)}{self.scoring_id}/"

    @property
    def request(self) -> str:
        return self.folder + "request.json"

    @property
    def plan(self) -> str:
        return self.folder + "plan.json"

    @property
    def result(self) -> str:
        return self.folder + "result.json"

    @property
    def outputs(self) -> str:
        return self.folder + "output/"

    def file(self, number: int) -> str:
        """How a file is divided."""
        return f"{self.folder}files/{number:05}.json"

    def output(self, part: int) -> str:
        """The rows of a part."""
        return f"{self.outputs}part-{part:05}.parquet"

    def report(self, part: int) -> str:
        """What was written of a part: who finds it need not score the part."""
        return f"{self.folder}parts/{part:05}.json"

    def reported(self, objects: ObjectStore) -> Iterator[int]:
        """The parts that have their report."""
        return (int(key[-10:-5]) for key in objects.keys(self.folder + "parts/"))


@dataclass(frozen=True)
class Input:
    """A file to be scored: what it is called, and the version of the object that it is. `sha256` if known."""

    path: str
    key: str
    version_id: str
    size: int
    sha256: str | None = None

    def as_json(self) -> JsonObject:
        return asdict(self)


def found(objects: ObjectStore, key: str) -> JsonObject | None:
    """The JSON object at `key`, None if there is none."""
    try:
        return read(objects, key)
    except RecordNotFound:
        return None


def spent(seconds: float, memory_mb: int) -> JsonObject:
    """What a call took."""
    return {"seconds": seconds, "gb_seconds": seconds * memory_mb / 1024}
