"""Scanning of record batches for personal data, and the judgement over whole columns. ValidateVersion drives it.

    scanner = Scanner(exceptions={"contact": {"email"}})
    for first_row, batch in ...:
        found += scanner.scan(batch, first_row)
    found += scanner.finish()

Parts of a file can be scanned apart: `merge` gives the same as one scan over all of it, in whatever order.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np

from tidemill.data.personal import nested, texts, vocabulary
from tidemill.data.personal.chance import FREQUENT, Sample
from tidemill.data.personal.engine import Entries, Seen, examine
from tidemill.data.personal.findings import EVERY, Finding, Severity, Where
from tidemill.data.sketches.packed import gaps, pack, unpack, whole

KEPT = 20  # findings kept of a column and kind; all are counted
_LENIENT = {"card", "iban"}  # told in running text unless frequent there


class Key(NamedTuple):
    """What is counted apart. `column` and `path` as they are: what is told of them is masked."""

    column: str
    path: str
    kind: str
    detail: str
    where: Where


@dataclass
class Tally:
    """`count` values, the first rows they lie in with the place inside JSON text, and the look-alikes' sample."""

    count: int = 0
    places: list[tuple[int, str]] = field(default_factory=list)
    sample: Sample = field(default_factory=Sample)

    def add(self, count: int, places: Collection[tuple[int, str]], kept: int) -> None:
        self.count += count
        self.places = heapq.nsmallest(kept, {*self.places, *places})


class Scanner:
    """`exceptions`: for a column, the kinds it may hold; "all" stands for every kind. `kept`: how many findings
    of a column and kind are kept."""

    def __init__(self, exceptions: Mapping[str, Collection[str]] | None = None, *, kept: int = KEPT) -> None:
        self.kept = kept
        self.exceptions = {column: frozenset(kinds) for column, kinds in (exceptions or {}).items()}
        self._tallies: dict[Key, Tally] = {}
        self._names: dict[Finding, None] = {}
        self._told: Counter[tuple[str, str]] = Counter()
        self._told_names = 0

    def scan(self, batch: Any, first_row: int = 0) -> list[Finding]:
        """What is certain in this batch, at most `kept` of a column and kind over all batches, and what the
        names of its columns and fields say. Rows count from `first_row`."""
        for finding in _names_of(batch.schema):
            if not self.excepted(finding.column, finding.kind):
                self._names[finding] = None
        found = list(self._names)[self._told_names :]
        self._told_names = len(self._names)
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if self.excepted(name, EVERY):
                continue
            for leaf in nested.leaves(name, column):
                found += self._note(name, leaf, examine(leaf.array, leaf.telling), first_row)
        return found

    def finish(self) -> list[Finding]:
        """What only the whole columns show: numbers that agree with a checksum more often than chance."""
        weak = [key for key in self.reported() if key.where != "sure"]
        return [finding for key in sorted(weak) for finding in _told(key, self._tallies[key].places)]

    def findings(self) -> list[Finding]:
        """Everything kept from all that was scanned or merged: names, certain ones, and those of `finish`."""
        certain = [key for key in self._tallies if key.where == "sure"]
        kept = {key: self._tallies[key].places for key in sorted([*certain, *self.reported()])}
        return [*self._names, *dict.fromkeys(one for key, places in kept.items() for one in _told(key, places))]

    def counts(self) -> Counter[tuple[str, str]]:
        """How many values were found: by (column, kind), the column's name masked."""
        total: Counter[tuple[str, str]] = Counter()
        for key in self.reported():
            total[texts.mask_text(key.column), key.kind] += self._tallies[key].count
        return total

    def reported(self) -> frozenset[Key]:
        """What counts as personal data, given all that was scanned so far."""
        return frozenset(key for key, tally in self._tallies.items() if tally.count and self._judged(key, tally))

    def merge(self, other: "Scanner", *, first_row: int = 0) -> None:
        """Take in what another scanner has seen of the same file; its rows count from `first_row` of ours."""
        self._names |= other._names
        for key, tally in other._tallies.items():
            mine = self._tallies.setdefault(key, Tally())
            mine.add(tally.count, [(row + first_row, inner) for row, inner in tally.places], self.kept)
            mine.sample.add(tally.sample.hashes, tally.sample.grades)

    def to_json(self) -> dict[str, Any]:
        """`{"names": [[kind, detail, column, path, row, severity], …], "tallies": [{"key": [column, path, kind,
        detail, where], "count": …, "places": [[row, inner], …], "hashes": …, "grades": …}, …]}`: findings in
        names, and what is counted apart; hashes packed (`sketches.packed`) as the first and the differences.
        Columns and paths are as they are, not masked. Without `exceptions` and `kept`, which who reads it back
        gives."""
        tallies = [
            {
                "key": list(key),
                "count": tally.count,
                "places": [list(place) for place in tally.places],
                "hashes": pack(gaps(tally.sample.hashes.astype(np.uint64))),
                "grades": pack(tally.sample.grades),
            }
            for key, tally in sorted(self._tallies.items(), key=lambda item: item[0])
        ]
        return {"names": [list(astuple(finding)) for finding in self._names], "tallies": tallies}

    @classmethod
    def from_json(
        cls, form: Mapping[str, Any], exceptions: Mapping[str, Collection[str]] | None = None, *, kept: int = KEPT
    ) -> Self:
        """The scanner that `to_json` wrote, made with these exceptions."""
        scanner = cls(exceptions, kept=kept)
        scanner._names = {Finding(*finding): None for finding in form["names"]}
        for told in form["tallies"]:
            hashes, grades = whole(unpack(told["hashes"])), unpack(told["grades"])
            sample = Sample(hashes.astype(np.uint32), grades.astype(np.uint8))
            places = [(row, inner) for row, inner in told["places"]]
            scanner._tallies[Key(*told["key"])] = Tally(told["count"], places, sample)
        return scanner

    def excepted(self, column: str, kind: str) -> bool:
        allowed = self.exceptions.get(column, frozenset())
        return EVERY in allowed or kind in allowed

    def _judged(self, key: Key, tally: Tally) -> bool:
        if key.where == "sure":
            return True
        if key.where == "text" and key.kind in _LENIENT:
            alike = (
                len(one.sample.hashes)
                for other, one in self._tallies.items()
                if other._replace(detail="") == key._replace(detail="")
            )
            if sum(alike) < FREQUENT:
                return True
        return tally.sample.exceeds(texts.odds(key.kind, key.detail))

    def _note(self, name: str, leaf: nested.Leaf, seen: Seen, first_row: int) -> Iterator[Finding]:
        for kind, detail, where, rows, hashes, grades, inner in _evidence(leaf, seen):
            if self.excepted(name, kind):
                continue
            key = Key(name, leaf.path, kind, detail, where)
            tally = self._tallies.setdefault(key, Tally())
            places = [(int(row) + first_row, inner) for row in np.unique(rows)[: self.kept]]
            tally.add(len(rows), places, self.kept)
            tally.sample.add(hashes, grades)
            if where == "sure":
                yield from self._few(_told(key, places))

    def _few(self, findings: list[Finding]) -> Iterator[Finding]:
        for finding in findings:
            self._told[finding.column, finding.kind] += 1
            if self._told[finding.column, finding.kind] <= self.kept:
                yield finding


def names(columns: Collection[str]) -> list[Finding]:
    """What the names of columns say, and what personal data they are themselves."""
    return [finding for column in columns for finding in _name_says(column, "", column)]


def _names_of(schema: Any) -> Iterator[Finding]:
    for column in schema:
        yield from _name_says(column.name, "", column.name)
        for path, name in nested.field_names(column.type):
            yield from _name_says(column.name, path, name)


def _name_says(column: str, path: str, name: str) -> Iterator[Finding]:
    shown, inside = texts.mask_text(column), texts.mask_text(path)
    for match in texts.accepted(texts.find(name)):
        yield Finding(match.kind, match.detail, shown, inside, None, "certain")
    if subject := vocabulary.subject(name):
        yield Finding("column_name", subject, shown, inside, None, "suspected")


def _told(key: Key, places: Collection[tuple[int, str]]) -> list[Finding]:
    column, path = texts.mask_text(key.column), texts.mask_text(key.path)
    severity: Severity = "certain"
    return [Finding(key.kind, key.detail, column, path + inner, row, severity) for row, inner in sorted(places)]


def _evidence(leaf: nested.Leaf, seen: Seen) -> Iterator[tuple[str, str, Where, Entries, Any, Any, str]]:
    """(kind, detail, where, rows with a valid one, hashes and grades of the look-alikes, path inside JSON
    text)."""
    for numbers in seen.numbers:
        look = numbers.look
        grades = (look.structured.astype(np.uint8)) + look.valid
        rows = leaf.rows_of(look.positions[look.valid])
        hidden = look.where == "sure"
        yield (
            look.kind,
            look.detail,
            look.where,
            rows,
            numbers.hashes[:0] if hidden else numbers.hashes,
            (grades[:0] if hidden else grades),
            "",
        )
    for text, matches, entries in seen.words:
        rows = leaf.rows_of(entries)
        for match in matches:
            sample = match.where != "sure"
            hashes = np.array([match.digest] if sample else [], np.uint32)
            grades = np.array([int(match.structured) + match.valid] if sample else [], np.uint8)
            inner = texts.inner_path(text, match.start) if match.valid else ""
            yield match.kind, match.detail, match.where, rows if match.valid else rows[:0], hashes, grades, inner
