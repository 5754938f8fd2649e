"""The page of a difference: the verdict first, every number and example, nothing unescaped, nothing fetched."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest

from tidemill.data.diff.report import render
from tidemill.data.diff.versions_diff import diff

VOID = {"meta", "br", "img", "hr"}
EVIL = "<script>alert('&amp;')</script>"


class Balanced(HTMLParser):
    """Fails on markup that does not close; keeps the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.S)))


@pytest.fixture
def found(new_shore: Any) -> dict[str, Any]:
    shore = new_shore(mode="replace", quality={"duplicates": "allow", "leakage": "allow"})
    lines = [f"{i},{line},calm" for i, line in enumerate(shore.lines(40))]
    header = f"id,{shore.csv([]).decode().strip()},note"
    shore.walk(shore.upload("<b>.csv", shore.csv(lines, header=header)))
    new = [f'{line.rsplit(",", 1)[0]},"{EVIL}"' if i in (3, 5) else line for i, line in enumerate(lines[1:])]
    new += [f"{i},2026-02-01,{i - 40},1,N,1,calm" for i in (40, 41, 41)]
    shore.walk(shore.upload("<b>.csv", shore.csv(new, header=header)))
    return diff(shore.project, 1, 2, shore.objects, keys=["id"])


def test_the_page_tells_all_of_it(found: dict[str, Any]) -> None:
    told = text_of(render(found))
    assert told.index("3 rows added, 1 removed, 2 changed") < told.index("Rows A row is known by its key: id.")
    assert "calm → <script>alert('&amp;')</script>" in told
    assert "<b>.csv row 4" in told
    assert "In the new version 1 key occurs more than once (2 rows)." in told
    assert "2026-02-01" in told and "T00:00:00" not in told
    assert "40 → 42" in told


def test_the_page_is_whole_and_escapes_what_the_data_say(found: dict[str, Any]) -> None:
    page, parser = render(found), Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "script" not in parser.seen
    assert not re.search(r"""(?:src|href)=["'](?!#)|url\(|@import""", page)


def test_every_compared_column_has_a_plot_that_names_the_versions(found: dict[str, Any]) -> None:
    page = render(found)
    assert page.count("<svg") == len(found["distributions"]["columns"]) == 6
    assert page.count(">v1</text>") == page.count(">v2</text>") == 6
    assert "this window" not in page


def test_equal_versions_and_no_rows_have_a_page(found: dict[str, Any]) -> None:
    bare = {**found, "rows": None, "distributions": None}
    assert "Rows were not compared" in text_of(render(bare))
    none = {"added": [], "removed": [], "replaced": [], "moved": [], "unchanged": ["a.csv"]}
    told = text_of(render({**found, "equal": True, "files": none}))
    assert "Nothing changed" in told and "1 file unchanged" in told
