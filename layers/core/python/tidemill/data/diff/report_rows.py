"""The rows of a diff's page: numbers, which columns changed, and examples from old to new. Called by `report`."""

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.data.diff.report_table import count, table, value
from tidemill.pages.markup import Markup, element

Rows = Mapping[str, Any]
_NUMBERS = (("added", "added"), ("removed", "removed"), ("changed", "changed"), ("unchanged", "same"))
_BAR = 160  # pixels of the longest bar


def section(rows: Rows | None) -> Markup:
    """The section, or a word that rows were not compared."""
    if rows is None:
        told = element("p", "Rows were not compared; run it with --rows to have them.", class_="soft")
        return element("section", element("h2", "Rows"), told)
    by = "Rows are told apart by all their values."
    if rows["key"]:
        by = f"A row is known by its key: {', '.join(rows['key'])}."
    return element(
        "section",
        element("h2", "Rows"),
        element("p", " ".join(part for part in (by, rows["note"]) if part), class_="soft"),
        _numbers(rows),
        _strip(rows),
        *_changed(rows),
        *_whole(rows, "added"),
        *_whole(rows, "removed"),
        *_repeated(rows),
    )


def notes(rows: Rows | None) -> list[str]:
    """How the numbers came about."""
    if rows is None:
        return []
    exact = (
        f"The numbers of rows are exact. {rows['read']['before']:,} rows of the old version and "
        f"{rows['read']['after']:,} of the new one were compared value by value, in the columns that both "
        "versions have; files that are in both versions hold the same rows on both sides."
    )
    if not rows["key"]:
        exact += " Without a key, a row in which a value changed is one removed and one added."
    return [exact]


def _numbers(rows: Rows) -> Markup:
    boxes = [
        element(
            "div", element("dt", name), element("dd", f"{rows[name]:,}"), class_=kind if rows[name] else "none"
        )
        for name, kind in _NUMBERS
    ]
    return element("dl", *boxes, class_="numbers")


def _strip(rows: Rows) -> Markup:
    parts = [
        element("i", class_=kind, style=f"flex:{rows[name]} 1 0", title=f"{name}: {rows[name]:,}")
        for name, kind in _NUMBERS
        if rows[name]
    ]
    return element("div", *parts, class_="strip", role="img", aria_label="shares of rows")


def _changed(rows: Rows) -> list[Markup]:
    if not rows["changed"]:
        return []
    most = max(rows["changed_columns"].values())
    columns = [
        (name, f"{number:,}", element("span", class_="bar", style=f"width:{max(2, _BAR * number / most):.0f}px"))
        for name, number in rows["changed_columns"].items()
    ]
    edits = [
        (element("strong", _key(row["key"])), _edits(row["changes"]), _moved(row))
        for row in rows["examples"]["changed"]
    ]
    shown = [_heading("Columns that changed", count(rows["changed"], "row"))]
    shown.append(table([("Column", ""), ("Rows", "figure"), ("", "")], columns))
    if edits:
        shown.append(_heading("Changed rows", _first(len(edits), rows["changed"])))
        shown.append(
            table([(", ".join(rows["key"]), ""), ("Old → new", ""), ("File and row", "")], edits, top=True)
        )
    return shown


def _edits(changes: Sequence[Mapping[str, Any]]) -> Markup:
    lines = [
        element(
            "div",
            element("span", change["column"]),
            element(
                "span",
                element("del", value(change["before"]), class_="none" if change["before"] is None else None),
                " → ",
                element("ins", value(change["after"])),
                element("span", _step(change["before"], change["after"]), class_="step"),
            ),
        )
        for change in changes
    ]
    return element("div", *lines, class_="edit")


def _step(before: Any, after: Any) -> str:
    """By how much a number changed."""
    if isinstance(before, str) or isinstance(after, str) or before is None or after is None:
        return ""
    return f"{after - before:+.6g}"


def _whole(rows: Rows, what: str) -> list[Markup]:
    """Examples of whole rows."""
    examples = rows["examples"][what]
    if not examples:
        return []
    columns = list(examples[0]["values"])
    columns = [*rows["key"], *(name for name in columns if name not in rows["key"])]
    numeric = {
        name
        for name in columns
        if all(isinstance(row["values"][name], int | float) or row["values"][name] is None for row in examples)
    }
    names = [(name, "figure" if name in numeric else "") for name in columns]
    lines = [
        [_place(row), *(element("span", value(row["values"][name]), class_="value") for name in columns)]
        for row in examples
    ]
    heading = _heading(f"{what.title()} rows", _first(len(lines), rows[what]))
    return [heading, table([("File and row", ""), *names], lines)]


def _repeated(rows: Rows) -> list[Markup]:
    told = [
        f"In the {age} version {count(found['keys'], 'key')} occur{'s' if found['keys'] == 1 else ''} more than "
        f"once ({count(found['rows'], 'row')})."
        for age, found in (("old", rows["repeated_keys"]["before"]), ("new", rows["repeated_keys"]["after"]))
        if found["keys"]
    ]
    told += [
        f"{count(number, 'row')} of the {age} version {'has' if number == 1 else 'have'} no key; without one, "
        "a row can be added or removed, not changed."
        for age, number in (("old", rows["without_key"]["before"]), ("new", rows["without_key"]["after"]))
        if number
    ]
    if not told:
        return []
    scope = (
        "Counted among the rows that were read. Equal rows cancel out first; then the first goes with the first."
    )
    lines = [
        (_key(row["key"]), f"{row['times']:,}", "old" if row["side"] == "before" else "new", _place(row))
        for row in rows["examples"]["repeated_keys"]
    ]
    shown = [_heading("Keys that do not name one row", ""), element("p", " ".join([*told, scope]), class_="soft")]
    if lines:
        names = [(", ".join(rows["key"]), ""), ("Times", "figure"), ("Version", ""), ("First file and row", "")]
        shown.append(table(names, lines))
    return shown


def _heading(text: str, more: str) -> Markup:
    return element("h4", text, *([" ", element("span", f"· {more}", class_="soft")] if more else []))


def _first(shown: int, of: int) -> str:
    return f"the first {shown:,} of {of:,}" if shown < of else f"all {of:,}"


def _key(key: Mapping[str, Any]) -> Markup:
    parts: list[object] = []
    for part in key.values():
        parts += [" · ", value(part)] if parts else [value(part)]
    return element("span", *parts)


def _place(row: Mapping[str, Any]) -> Markup:
    return element("span", element("code", row["path"]), f" row {row['row']:,}", class_="soft")


def _moved(row: Mapping[str, Any]) -> Markup:
    """Where the row is, and where it was if that was another file."""
    if row["before"]["path"] == row["path"]:
        return _place(row)
    return element("span", _place(row["before"]), " → ", _place(row), class_="soft")
