"""HTML and SVG elements as text, escaped where they are made. Used by reports, cards and comparisons."""

from html import escape


class Markup(str):
    """Text that is markup already. Anything else that becomes a child or an attribute is escaped."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: object) -> Markup:
    """An element. An attribute's trailing underscore is dropped and the others become hyphens (`class_`,
    `stroke_width`); None leaves the attribute out. Children that are not Markup are escaped."""
    pairs = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    head = "".join(f' {key}="{escape(_plain(value))}"' for key, value in pairs.items())
    return Markup(f"<{name}{head}>{join(children)}</{name}>")


def join(children: object) -> Markup:
    """Several children in a row."""
    parts = children if isinstance(children, list | tuple) else [children]
    return Markup("".join(part if isinstance(part, Markup) else escape(str(part)) for part in parts))


def _plain(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
