"""The page and its plots: what they say, and that they are whole, escaped and self-contained."""

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tidemill.data.profile import category_profile, numeric_profile
from tidemill.monitoring.histograms import histogram
from tidemill.monitoring.plots import number, percent, plot
from tidemill.monitoring.report import render
from tidemill.pages.markup import Markup, element
from tidemill.projects import Kind

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Text, tags and addresses of a page; raises where elements are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("href", "src", "xlink:href")]
        self.ids += [value or "" for name, value in attributes if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(world: Any, *, shift: float) -> tuple[str, Page]:
    world.capture(500, shift=shift)
    window_id = world.build()["window_id"]
    text = render(world.window(window_id, "report.json")) if world.detect(window_id) else ""
    return text, Page(text)


def test_a_drifted_page_tells_what_when_and_what_next(world: Any) -> None:
    _, found = page(world, shift=1.0)
    text = " ".join(found.words)
    for part in ("tides", "The data has drifted", "2 of 3 features shifted", "00001", "training data of model 1"):
        assert part in text
    assert "asks for a training run" in text and "24 h by the project file" in text
    assert "2026-03-20 12:00:00 UTC" in text
    assert found.tags.count("svg") == 4


def test_a_steady_page_says_that_nothing_changes(world: Any) -> None:
    _, found = page(world, shift=0.0)
    text = " ".join(found.words)
    assert "No drift" in text and "nothing changes" in text and "0 of 3 features shifted" in text


def test_a_project_that_retrains_by_hand_says_so(make_world: Any) -> None:
    _, found = page(make_world(retraining={"on_drift": False}), shift=1.0)
    assert "only when a person starts it" in " ".join(found.words)


def test_the_page_fetches_nothing_and_its_links_lead_somewhere(world: Any) -> None:
    text, found = page(world, shift=1.0)
    assert all(address.startswith("#") and address[1:] in found.ids for address in found.addresses)
    assert not re.search(r"https?:|@import|url\(|<script|<link", text)


def test_it_has_styles_for_dark_and_for_paper(world: Any) -> None:
    text, _ = page(world, shift=0.0)
    assert "prefers-color-scheme: dark" in text and "@media print" in text


def test_text_of_others_is_escaped(world: Any) -> None:
    text, found = page(world, shift=0.0)
    assert "<an hour>" not in text and "&lt;an hour&gt;" in text
    assert "an" not in found.tags
    assert element("p", "<b>", Markup("<i></i>"), title='"') == '<p title="&quot;">&lt;b&gt;<i></i></p>'


def drawn(reference: object, current: object, kind: Kind = Kind.NUMBER) -> ElementTree.Element:
    profiles = [
        numeric_profile(np.asarray(side), kind) if kind.numeric else category_profile(np.asarray(side))
        for side in (reference, current)
    ]
    return ElementTree.fromstring(plot(histogram(*profiles), label="a plot"))


def texts(svg: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in svg.iter() if node.tag in ("text", "title")]


def test_a_number_is_drawn_as_two_outlines_with_axes_and_a_legend() -> None:
    rng = np.random.default_rng(1)
    svg = drawn(rng.normal(0, 1, 5_000), rng.normal(1, 1, 500))
    paths = {node.get("class"): node.get("d") for node in svg.iter("path")}
    assert set(paths) == {"reference", "current-line"} and paths["reference"] != paths["current-line"]
    words = texts(svg)
    assert {"reference", "this window", "share of rows", "0 %", "0", "2"} <= set(words)
    hovers = [text for text in words if ": reference" in text]
    assert hovers[0].startswith("below ") and "and above" in hovers[-1]
    assert svg.get("aria-label") == "a plot"


def test_each_category_has_two_bars_and_a_name_cut_where_it_is_long() -> None:
    long = "a very long name of a harbour"
    svg = drawn(["x"] * 60 + [long] * 40, ["x"] * 10 + [long] * 90, Kind.CATEGORY)
    bars = [node for node in svg.iter("rect") if node.get("class") in ("reference", "current")]
    assert len(bars) == 2 + 2 * 2  # the legend's two among them
    assert "a very long nam…" in texts(svg)
    assert f"{long}: reference 40 %, window 90 %" in texts(svg)


def test_many_categories_end_in_other() -> None:
    svg = drawn([f"v{i}" for i in range(30)] * 4, [f"v{i}" for i in range(30)], Kind.CATEGORY)
    assert "other: reference 73 %, window 73 %" in texts(svg)


def test_one_high_bin_does_not_press_the_others_flat() -> None:
    dry = [0.0] * 900 + [0.1, 0.2, 0.3, 0.4] * 25
    assert "share of rows, square-root scale" in texts(drawn(dry, dry))


@pytest.mark.parametrize(
    ("reference", "current"),
    [([5.0] * 9, [5.0] * 9), ([5.0] * 9, [7.0] * 3), ([np.nan] * 3, [1.0, 2.0]), ([np.nan], [np.nan])],
)
def test_poor_columns_are_drawn_all_the_same(reference: list[float], current: list[float]) -> None:
    svg = drawn(reference, current)
    assert not re.search(r"nan|inf", " ".join(node.get("d") or "" for node in svg.iter("path")))


def test_a_histogram_of_integers_has_whole_bins() -> None:
    profile = numeric_profile(np.arange(24.0).repeat(10), Kind.INTEGER)
    shown = histogram(profile, profile)
    assert shown["edges"] == [float(i) for i in range(25)]
    assert shown["reference"] == pytest.approx([1 / 24] * 24)


def test_shares_and_numbers_read_well() -> None:
    assert [percent(x) for x in (0, 0.004, 0.123, 1, 0.0995)] == ["0 %", "0.4 %", "12 %", "100 %", "10 %"]
    assert [number(x) for x in (0.25, 12345.678, 3, 12_345_678.0)] == ["0.25", "12,345.7", "3", "12,345,678"]
