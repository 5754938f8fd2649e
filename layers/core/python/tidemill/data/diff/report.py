"""The difference of two dataset versions as one HTML page that needs nothing else: verdict, rows, columns, files.

Called by `tidemill data diff --html`; writes nothing. Everything from the data is escaped (`markup`); nothing is
masked: the page shows rows as the versions hold them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tidemill.data.diff import report_columns, report_rows
from tidemill.data.diff.report_style import STYLE
from tidemill.data.diff.report_table import count, table
from tidemill.data.diff.words import columns_told, files_told, verdict
from tidemill.pages.markup import Markup, element

Diff = Mapping[str, Any]


def render(diff: Diff) -> str:
    """The page of a difference (the object that `versions_diff.diff` gives)."""
    title = f"{diff['project']}: dataset v{diff['before']['version']} to v{diff['after']['version']}"
    head = element(
        "head",
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    sections = [
        _header(diff),
        report_rows.section(diff["rows"]),
        _schema(diff["schema"]),
        report_columns.section(diff),
        _files(diff["files"]),
        _notes(diff),
    ]
    return "<!doctype html>\n" + element("html", head, element("body", element("main", *sections)), lang="en")


def _header(diff: Diff) -> Markup:
    before, after = diff["before"], diff["after"]
    return element(
        "header",
        element("div", "Difference of two dataset versions", class_="over"),
        element("h1", f"{diff['project']} v{before['version']} → v{after['version']}"),
        _verdict(diff),
        element("dl", *[_version(side) for side in (before, after)]),
    )


def _verdict(diff: Diff) -> Markup:
    shifted = bool(diff["distributions"] and diff["distributions"]["shifted"])
    tone = "steady" if diff["equal"] else "shifted" if shifted else "changed"
    told = [columns_told(diff["schema"]), files_told(diff["files"])]
    more = "; ".join(part for part in told if part)
    return element(
        "div",
        element("p", element("strong", verdict(diff))),
        *([element("p", f"{more[:1].upper()}{more[1:]}.")] if more else []),
        class_=f"verdict {tone}",
    )


def _version(side: Diff) -> Markup:
    size = f"{side['bytes'] / 1e6:,.1f} MB" if side["bytes"] >= 1e5 else f"{side['bytes']:,} bytes"
    facts = f"{count(side['rows'], 'row')} in {count(side['files'], 'file')}, {size}"
    when = datetime.fromisoformat(side["created"]).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return element(
        "div",
        element("dt", f"v{side['version']}, {when}"),
        element("dd", facts),
        element("dd", side["reason"], class_="soft"),
        element("dd", element("code", side["identity"][:12], title=side["identity"]), class_="soft"),
    )


def _schema(schema: Diff) -> Markup:
    rows = [
        *[("added", column["name"], f"{column['type']}") for column in schema["added"]],
        *[("removed", column["name"], column["type"]) for column in schema["removed"]],
        *[("retyped", column["name"], f"{column['before']} → {column['after']}") for column in schema["retyped"]],
    ]
    if not rows:
        shown = element("p", "Both versions have the same columns, of the same types.", class_="soft")
    else:
        classes = {"retyped": "changed"}
        marked = [(_word(what, classes.get(what, what)), name, kind) for what, name, kind in rows]
        shown = table([("Change", ""), ("Column", ""), ("Type", "")], marked)
    return element("section", element("h2", "Columns"), shown)


def _files(files: Diff) -> Markup:
    rows = [
        *[(_word("added", "added"), file["path"], f"{file['rows']:,}") for file in files["added"]],
        *[(_word("removed", "removed"), file["path"], f"{file['rows']:,}") for file in files["removed"]],
        *[
            (_word("replaced", "changed"), file["path"], f"{file['rows_before']:,} → {file['rows_after']:,}")
            for file in files["replaced"]
        ],
        *[
            (_word("moved", "changed"), f"{file['from']} → {file['path']}", f"{file['rows']:,}")
            for file in files["moved"]
        ],
    ]
    shown = [table([("Change", ""), ("File", ""), ("Rows", "figure")], rows)] if rows else []
    if files["unchanged"]:
        paths = element("p", element("code", ", ".join(files["unchanged"])))
        shown.append(
            element("details", element("summary", f"{count(len(files['unchanged']), 'file')} unchanged"), paths)
        )
    return element("section", element("h2", "Files"), *shown)


def _word(word: str, kind: str) -> Markup:
    return element("span", word, class_=f"word {kind}")


def _notes(diff: Diff) -> Markup:
    told = [*report_rows.notes(diff["rows"]), *report_columns.notes(diff["distributions"])]
    section = element("section", element("h2", "How to read this"), *[element("p", text) for text in told])
    return element("div", section, class_="notes")
