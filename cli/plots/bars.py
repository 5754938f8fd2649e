"""Shares as horizontal bars, named on the left."""

from collections.abc import Mapping

from cli.plots.frame import breakable
from tidemill.pages.markup import Markup, element


def bars(shares: Mapping[str, float]) -> Markup:
    """One bar for each name, in the order given; a share is 0 to 1."""
    return element("div", *[_bar(name, share) for name, share in shares.items()], class_="bars")


def _bar(name: str, share: float) -> Markup:
    filled = element("i", style=f"width:{100 * share:.1f}%")
    words = (element("span", breakable(name)), element("span", filled, class_="track"))
    return element("div", *words, element("span", f"{share:.0%}", class_="figure"), class_="bar")
