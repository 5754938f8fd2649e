"""The columns of two dataset versions, and as what those in both are compared.

Called by `versions_diff`; reads nothing but the manifests and sketches it is given.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tidemill.data import versions
from tidemill.data.sketches.dataset import DatasetSketch
from tidemill.projects import Kind

Kinds = dict[str, Kind]


def kinds_of(fact: versions.Document, sketch: DatasetSketch | None, order: Iterable[str] = ()) -> Kinds:
    """The columns of a version, those in `order` first, the others by name.

    The manifest names those of the files that came last; the sketch of all rows adds those that only older files
    have. A column without a rule that is missing in the sketch is of several kinds in several files: text is what
    all of them can be read as."""
    sketched = {} if sketch is None else {name: column.kind for name, column in sketch.columns.items()}
    kinds = {}
    for name, rule in fact["schema"].items():
        several = sketch is not None and name not in sketched and not rule.get("ruled")
        kinds[name] = Kind.CATEGORY if several else Kind(rule["type"])
    found = {**sketched, **kinds}
    return {name: found[name] for name in [*(name for name in order if name in found), *sorted(found)]}


def compare_columns(before: Mapping[str, Kind], after: Mapping[str, Kind]) -> dict[str, list[dict[str, str]]]:
    """`added` and `removed` (name, type) and `retyped` (name, before, after), in the order of `after`."""
    both = [name for name in after if name in before]
    return {
        "added": [{"name": name, "type": kind.value} for name, kind in after.items() if name not in before],
        "removed": [{"name": name, "type": kind.value} for name, kind in before.items() if name not in after],
        "retyped": [
            {"name": name, "before": before[name].value, "after": after[name].value}
            for name in both
            if before[name] is not after[name]
        ],
    }


def compared_as(before: Mapping[str, Kind], after: Mapping[str, Kind]) -> Kinds:
    """The columns that both have, with the kind as which their values are compared: their own; of numbers and
    whole numbers, numbers; else the text that stands in the files."""
    return {name: _common(before[name], kind) for name, kind in after.items() if name in before}


def _common(one: Kind, other: Kind) -> Kind:
    if one is other:
        return one
    return Kind.NUMBER if one.numeric and other.numeric else Kind.CATEGORY


def any_change(schema: Mapping[str, Any]) -> bool:
    """Whether `compare_columns` found one."""
    return any(schema.values())
