"""What is known of a file's columns while it is read: names, kinds, and how their cells were written so far.

Readers of text share it. A column without a rule has the narrowest kind that fits all of its cells; one that
proves wider makes them go through the rest of the file for kinds alone, so that it is read again once at most.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Self

from tidemill.data.formats import guesses
from tidemill.projects import Kind


@dataclass
class Layout:
    """The columns of a file in their order. `kinds` of those in `ruled` never change; the others' are guesses; a
    column without value so far has none. `wanted` are the columns that are read at all.

    `odd` (columns that the fast parser refused) and `naive` (timestamps without zone) only save attempts: threads
    may see them late."""

    names: tuple[str, ...]
    kinds: dict[str, Kind]
    ruled: frozenset[str]
    wanted: tuple[str, ...]
    odd: set[str] = field(default_factory=set)
    naive: set[str] = field(default_factory=set)
    widened: bool = False

    @classmethod
    def of(
        cls,
        names: Collection[str],
        kinds: Mapping[str, Kind],
        ruled: Collection[str],
        only: Collection[str] | None,
    ) -> Self:
        """`kinds` of the columns with rules, and of others if they are known."""
        known = {name: kinds[name] for name in names if name in kinds}
        wanted = tuple(name for name in names if only is None or name in only)
        return cls(tuple(names), known, frozenset(ruled), wanted)

    def read_as(self) -> tuple[dict[str, Kind], set[str]]:
        """The kinds that columns are read as, and those columns that nothing is known of: they are read as narrow
        as can be. Both are of one moment, whatever other threads find meanwhile."""
        known = dict(self.kinds)
        kinds = {name: known.get(name, Kind.INTEGER) for name in self.wanted}
        return kinds, kinds.keys() - known.keys()

    def guess(self, found: Mapping[str, Kind | None]) -> None:
        """Take over what the file's first rows hold."""
        self.kinds |= {name: kind for name, kind in found.items() if kind is not None and name not in self.kinds}

    def fit(self, read_as: Mapping[str, Kind], found: Mapping[str, Kind | None]) -> None:
        """Note that rows read as `read_as` hold columns of the kinds `found`: those that did not fit, and those
        that had no value before."""
        for name, kind in found.items():
            before = self.kinds.get(name)
            after = guesses.join(before, kind)
            if after is None or after is before:
                continue
            self.kinds[name] = after
            self.widened |= before is not None or after is not read_as[name]
