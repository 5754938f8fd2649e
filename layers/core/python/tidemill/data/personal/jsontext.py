"""Places in JSON text, also in cut-off or Python-like JSON: which keys lead to each value. `texts` calls `leaves`.

Not a parser: values keep their places in the text, so that they can be masked there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[{}\[\],:]|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.DOTALL
)
_DEEPEST = 32  # keys told of a leaf, the innermost
_LONGEST = 1_000_000  # characters looked at


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value [start, end) without its quotes, under `keys` from the outermost ("[]" for an element of a list)."""

    start: int
    end: int
    keys: tuple[str, ...]
    quoted: bool


def is_json(text: str) -> bool:
    head = text[:64].lstrip()
    return head[:1] in ("{", "[") and len(text) <= _LONGEST and (":" in text or "," in text)


def leaves(text: str) -> Iterator[Leaf]:
    """The strings and numbers of JSON text, in order; the keys themselves are not told."""
    keys: list[str] = []
    in_object: list[bool] = []
    pending = False  # a key has been read, its value comes
    for token in _TOKEN.finditer(text):
        sign = token.group()
        if sign in "{[":
            in_object.append(sign == "{")
            keys.append("" if sign == "{" else "[]")
            pending = False
        elif sign in "}]":
            if keys:
                keys.pop()
                in_object.pop()
            pending = False
        elif sign == ",":
            pending = False
        elif sign != ":":
            quoted = sign[0] in "\"'"
            if in_object and in_object[-1] and not pending:
                keys[-1] = sign.strip("\"'")
                pending = True
            else:
                start, end = token.span()
                yield Leaf(start + quoted, end - quoted, tuple(keys[-_DEEPEST:]), quoted)


def path(keys: tuple[str, ...]) -> str:
    """`$.contact.phones[]`."""
    return "$" + "".join(key if key == "[]" else f".{key}" for key in keys)
