"""Text as a reader sees it: full-width forms, invisible signs, dashes and escapes undone, each sign traced back.

`texts` looks for patterns in the normal form and masks in the original.
"""

import html
import re
import unicodedata
from dataclasses import dataclass

_ESCAPE = re.compile(
    r"(?:%[0-9A-Fa-f]{2})+|&(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});?|\\{1,8}u[0-9A-Fa-f]{4}|\\{1,8}x[0-9A-Fa-f]{2}"
)
_ROUNDS = 3  # escapes of escapes: %2540, &amp;#64;
_DASHES = "\u2212\u2043\u02d7\u00ac\u2796"
_DOTS = "\u3002\uff61\uff0e\ufe52\u2024"
_INVISIBLE = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"


@dataclass(frozen=True)
class Normal:
    """`text`, and for each of its signs where it started and ended in the original (None: the same places)."""

    text: str
    starts: list[int] | None = None
    ends: list[int] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that [start, end) of the normal form came from."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def normalise(text: str) -> Normal:
    if text.isascii() and not (any(sign in text for sign in "%&\\") and _ESCAPE.search(text)):
        return Normal(text)
    signs = [(sign, place, place + 1) for place, sign in enumerate(text)]
    for _ in range(_ROUNDS):
        plain = "".join(sign for sign, _, _ in signs)
        if not (escapes := list(_ESCAPE.finditer(plain))):
            break
        signs = _unescaped(signs, escapes)
    signs = [(new, start, end) for sign, start, end in signs for new in _simple(sign)]
    return Normal("".join(sign for sign, _, _ in signs), [at for _, at, _ in signs], [end for _, _, end in signs])


def _unescaped(signs: list[tuple[str, int, int]], escapes: list[re.Match[str]]) -> list[tuple[str, int, int]]:
    out: list[tuple[str, int, int]] = []
    place = 0
    for escape in escapes:
        out += signs[place : escape.start()]
        at = escape.start()
        for sign, width in _decoded(escape.group()):
            out.append((sign, signs[at][1], signs[at + width - 1][2]))
            at += width
        place = escape.end()
    return out + signs[place:]


def _decoded(escape: str) -> list[tuple[str, int]]:
    """The signs of an escape, each with how many of its characters it takes."""
    if escape.startswith("%"):
        try:
            decoded = bytes.fromhex(escape.replace("%", "")).decode()
        except UnicodeDecodeError:
            return [(sign, 1) for sign in escape]
        return [(sign, 3 * len(sign.encode())) for sign in decoded]
    if escape.startswith("\\"):
        return [(chr(int(escape.lstrip("\\")[1:], 16)), len(escape))]
    plain = html.unescape(escape)
    return [(plain, len(escape))] if len(plain) == 1 else [(sign, 1) for sign in escape]


def _simple(sign: str) -> str:
    """One sign without its typography; empty for what cannot be seen."""
    if sign.isascii():
        return sign
    category = unicodedata.category(sign)
    if category == "Cf" or sign in _INVISIBLE or "\ufe00" <= sign <= "\ufe0f":
        return ""
    if category == "Nd":
        return str(unicodedata.digit(sign))
    if category == "Pd" or sign in _DASHES:
        return "-"
    if category == "Zs":
        return " "
    if category == "No":
        return sign
    return "." if sign in _DOTS else unicodedata.normalize("NFKC", sign)
