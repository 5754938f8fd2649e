"""What one part of a large file holds: counted, sketched, looked through for personal data, to be merged in order.

ReadPart writes it, MergeParts merges it: the figures of all parts are those of one pass over the file.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tidemill.data.counted import Counted
from tidemill.data.formats import guesses
from tidemill.data.formats.blocks import Block
from tidemill.data.quality.keys import Keys
from tidemill.data.quality.personal_gate import PersonalData
from tidemill.data.scan import count
from tidemill.data.sketches.dataset import DatasetSketch
from tidemill.data.sketches.distinct import DistinctSketch
from tidemill.data.take_in import Sketching, rules_of
from tidemill.projects import Kind, Project


@dataclass(frozen=True)
class PartReading:
    """`counted` rows, the `sketch` of the good ones and of their `keys`, and what `personal` data there is."""

    counted: Counted
    sketch: DatasetSketch
    personal: PersonalData
    keys: Keys

    @property
    def told(self) -> "Told":
        return Told(self.counted.kinds, self.counted.valued, self.counted.rows)

    def merge(self, later: "PartReading") -> None:
        """Take in the part that follows. Raises SketchInvalid if a column was read as another kind there."""
        self.sketch.merge(later.sketch)
        self.counted.merge(later.counted)
        self.personal.merge(later.personal)
        self.keys.sketch.merge(later.keys.sketch)

    def to_json(self) -> dict[str, Any]:
        """`counted`, `sketch`, `personal` and `keys` as their own `to_json` say. It holds cells of the file."""
        return {
            "counted": self.counted.to_json(),
            "sketch": self.sketch.to_json(),
            "personal": self.personal.to_json(),
            "keys": self.keys.sketch.to_json(),
        }

    @classmethod
    def from_json(cls, form: Mapping[str, Any], project: Project) -> "PartReading":
        """What `to_json` wrote of a file of that project."""
        counted = Counted.from_json(form["counted"], rules_of(project), project.time)
        sketch = DatasetSketch.from_json(form["sketch"])
        keys = Keys(project)
        keys.sketch = DistinctSketch.from_json(form["keys"])
        return cls(counted, sketch, PersonalData.from_json(form["personal"], project), keys)


def read_blocks(blocks: Iterator[Block], project: Project) -> PartReading:
    """What the blocks of a part hold. Raises what they raise."""
    counted, sketching = Counted(rules_of(project), project.time), Sketching()
    personal, keys = PersonalData(project), Keys(project)
    count(blocks, counted, [sketching, personal, keys])
    return PartReading(counted, sketching.sketch, personal, keys)


class Told(NamedTuple):
    """What a part tells of the file's columns: their kinds, and which have a value in it; its good rows."""

    kinds: Mapping[str, Kind]
    valued: Collection[str]
    rows: int


def kinds_of_all(parts: Iterable[Told]) -> dict[str, Kind]:
    """The kinds of the columns of a file, from how its parts were read: the narrowest that fits all of them. A
    column without a value in a part says nothing there."""
    told: dict[str, list[Kind]] = {}
    default: dict[str, Kind] = {}
    for part in parts:
        for name, kind in part.kinds.items():
            default.setdefault(name, kind)
            if name in part.valued:
                told.setdefault(name, []).append(kind)
    return {name: guesses.join(*told.get(name, ())) or kind for name, kind in default.items()}
