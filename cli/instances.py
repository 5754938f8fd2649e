"""Instances for a prediction request from CSV or JSON text: the project's features, with their types."""

import csv
import io
import json
from typing import Any

from cli.errors import Usage
from tidemill.projects import Kind, Project


def read_instances(text: str, project: Project, *, as_table: bool) -> list[dict[str, Any]]:
    """The instances in a CSV (`as_table`), or in JSON: one object, a list, or `{"instances": […]}`. Raises Usage.

    JSON is sent as it is, so that the API judges it; a CSV has only text, which is read by the project's types.
    """
    if as_table:
        return [_instance(row, project, line) for line, row in enumerate(read_table(text), start=2)]
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Usage(f"the input is neither a .csv file nor JSON: {error}") from error
    if isinstance(found, dict):
        found = found.get("instances", [found])
    return list(found)


def read_table(text: str) -> list[dict[str, str]]:
    """The rows of a CSV with a header line."""
    return list(csv.DictReader(io.StringIO(text)))


def _instance(row: dict[str, str], project: Project, line: int) -> dict[str, Any]:
    missing = [name for name in project.features if name not in row]
    if missing:
        raise Usage(
            f"the file has no column {', '.join(missing)}; project {project.name!r} needs them as features"
        )
    return {
        name: _value(row[name], project.columns[name].type, f"line {line}, {name}") for name in project.features
    }


def _value(text: str, kind: Kind, place: str) -> Any:
    if text is None or text.strip() == "":
        return None
    if not kind.numeric:
        return text
    try:
        number = float(text)
    except ValueError as error:
        raise Usage(f"{place}: {text!r} is not a number") from error
    return int(number) if kind is Kind.INTEGER and number.is_integer() else number
