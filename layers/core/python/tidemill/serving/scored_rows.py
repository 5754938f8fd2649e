"""Rows of a file as rows of the output: each with its prediction, or with the error that stood in its way.

ScorePart calls it. A row is held to what the endpoint asks of an instance; what a cell means, the data stage's
readers say, as when the model was trained.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tidemill.data.formats.blocks import Block
from tidemill.errors import RequestInvalid
from tidemill.projects import Kind
from tidemill.serving.faults import Faults
from tidemill.serving.model import Model
from tidemill.serving.values import shown

CHUNK = 4096
"""Rows that the model is asked about at once."""

_PLACE = "instances[0]"
_PREDICTION = {"regression": pa.float64(), "classification": pa.int64()}


class Row(NamedTuple):
    """A row of the input: the line where it begins (of Parquet: its number), the answer or the error, the values
    that are kept, and the features that were imputed, if any."""

    line: int
    answer: Mapping[str, Any]
    error: str | None
    kept: Sequence[str | None]
    imputed: Sequence[str] | None = None


class _Told(NamedTuple):
    """What became of a row."""

    answer: Mapping[str, Any]
    error: str | None
    imputed: Sequence[str] | None = None


def kinds(model: Model, keep: Iterable[str]) -> dict[str, Kind]:
    """What the columns are read as; those that are only kept, as text."""
    features = {feature["name"]: Kind(feature["type"]) for feature in model.document["features"]}
    return {**dict.fromkeys(keep, Kind.CATEGORY), **features}


def scored(block: Block, model: Model, keep: Sequence[str]) -> Iterator[Row]:
    """A row for each of the block's, those that are no rows among them, in the order of the file."""
    count = block.batch.num_rows
    kept = list(zip(*(_texts(block, name) for name in keep), strict=True)) if keep else [()] * count
    answers = _answered(block, model)
    lines = block.lines.tolist()
    rows = [Row(lines[at], told.answer, told.error, kept[at], told.imputed) for at, told in enumerate(answers)]
    if block.faults:
        nothing = (None,) * len(keep)
        rows += [Row(fault.line, {}, f"{fault.code}: {fault.reason}", nothing) for fault in block.faults]
        rows.sort(key=lambda row: row.line)
    return iter(rows)


def _answered(block: Block, model: Model) -> list[_Told]:
    """The answer to each row of the batch, or the error."""
    found = [_Told({}, None)] * block.batch.num_rows
    good: list[tuple[int, Sequence[str] | None]] = []
    rows: list[dict[str, Any]] = []
    unreadable = _unreadable(block, model)
    for at, instance in enumerate(_instances(block, model)):
        if at in unreadable:
            found[at] = _Told({}, unreadable[at])
            continue
        faults = Faults()
        try:
            taken = model.features.rows([instance], faults)
            faults.refuse()
            rows += taken.values
            good.append((at, taken.imputed.get(0)))
        except RequestInvalid as error:
            found[at] = _Told({}, _words(error))
    for start in range(0, len(rows), CHUNK):
        answers = _asked(model, rows[start : start + CHUNK])
        for (at, imputed), answer in zip(good[start : start + CHUNK], answers, strict=True):
            found[at] = _Told({}, answer) if isinstance(answer, str) else _Told(answer, None, imputed)
    return found


def _asked(model: Model, rows: list[dict[str, Any]]) -> list[dict[str, Any] | str]:
    """The model's answers; for a row to which it has none, why. The others are asked about without it."""
    try:
        return list(model.predict(model.features.columns(rows)))
    except RequestInvalid as error:
        if len(rows) == 1:
            return [_words(error)]
    middle = len(rows) // 2
    return [*_asked(model, rows[:middle]), *_asked(model, rows[middle:])]


def _instances(block: Block, model: Model) -> Iterator[dict[str, Any]]:
    """The rows of the batch as instances of a request."""
    features = {feature["name"]: feature["type"] for feature in model.document["features"]}
    present = [name for name in features if name in block.batch.schema.names]
    columns = [_values(block, name, features[name]) for name in present]
    return (dict(zip(present, values, strict=True)) for values in zip(*columns, strict=True))


def _values(block: Block, name: str, kind: str) -> list[Any]:
    column = block.batch.column(name)
    if kind == "timestamp":  # without its zone, which is UTC: a function has no table of zones
        moments = column.cast(pa.timestamp("us")).to_pylist()
        return [None if moment is None else moment.isoformat() for moment in moments]
    values: list[Any] = column.to_pylist()
    return values


def _unreadable(block: Block, model: Model) -> dict[int, str]:
    """The rows that have a feature whose cell is not of its kind."""
    found: dict[int, str] = {}
    for feature in model.document["features"]:
        mask = block.unreadable.get(feature["name"])
        for at in np.flatnonzero(mask.to_numpy(zero_copy_only=False)) if mask is not None else ():
            text = block.text[feature["name"]][int(at)].as_py()
            reason = f"{feature['name']}: must be of type {feature['type']}, not {shown(text)}"
            found.setdefault(int(at), reason)
    return found


def _texts(block: Block, name: str) -> list[str | None]:
    """A column that is kept, as text."""
    if name not in block.batch.schema.names:
        return [None] * block.batch.num_rows
    column = block.batch.column(name)
    values = _values(block, name, "timestamp" if pa.types.is_timestamp(column.type) else "")
    return [value if value is None or isinstance(value, str) else f"{value:.17g}" for value in values]


def _words(error: RequestInvalid) -> str:
    """What is wrong, without the place in a request that nobody made."""
    field = error.field.removeprefix(_PLACE).removeprefix(".")
    return f"{field}: {error.reason}" if field else error.reason


def schema(document: Mapping[str, Any], keep: Iterable[str]) -> pa.Schema:
    """The columns of the output of a model, by its `model.json`."""
    classes = document.get("classes")
    fields = [("prediction_id", pa.string()), ("file", pa.string()), ("line", pa.int64())]
    fields += [(name, pa.string()) for name in keep]
    fields.append(("prediction", pa.string() if classes else _PREDICTION[document["task"]]))
    if classes:
        fields.append(("probabilities", pa.struct([(name, pa.float64()) for name in classes])))
    elif document["task"] == "classification":
        fields.append(("probability", pa.float64()))
    told = [("imputed", pa.list_(pa.string())), ("model_version", pa.int32()), ("error", pa.string())]
    return pa.schema([*fields, *told])


def batch(
    rows: Sequence[Row], columns: pa.Schema, keep: Sequence[str], *, ids: Sequence[str], file: str, version: int
) -> pa.RecordBatch:
    """Rows of the output, with their prediction ids."""
    found: dict[str, Any] = {
        "prediction_id": ids,
        "file": [file] * len(rows),
        "line": [row.line for row in rows],
        "model_version": [version] * len(rows),
        "error": [row.error for row in rows],
        "imputed": [row.imputed for row in rows],
        **{name: [row.kept[place] for row in rows] for place, name in enumerate(keep)},
    }
    for name in ("prediction", "probability", "probabilities"):
        if name in columns.names:
            found[name] = [row.answer.get(name) for row in rows]
    return pa.RecordBatch.from_arrays(
        [pa.array(found[field.name], field.type) for field in columns], schema=columns
    )
