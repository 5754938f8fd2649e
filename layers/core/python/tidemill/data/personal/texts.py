"""Every look-alike in one text, and texts with the personal data masked. `engine` and `scanner` call this, and
whoever writes a message that may quote data."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np

from tidemill.data.personal import cards, chance, codes, digit_runs, emails, iban, jsontext, phones, vocabulary
from tidemill.data.personal.checksums import luhn, matrix
from tidemill.data.personal.findings import Match, Where
from tidemill.data.personal.normal import Normal, normalise

_SEP = r"(?:[ \t._\-/]{1,3})"
# Card numbers as they are printed: 4-4-4-4 and longer, 4-6-5 (American Express), 4-6-4 (Diners Club).
_GROUPED = re.compile(
    rf"(?<![\w.])(?<!\d[ \t\-/])(?:\d{{4}}{_SEP}\d{{4}}{_SEP}\d{{4}}{_SEP}\d{{4}}(?:{_SEP}\d{{1,3}})?"
    rf"|\d{{4}}{_SEP}\d{{6}}{_SEP}\d{{4,5}}|\d{{8}}{_SEP}\d{{8}}|\d{{6}}{_SEP}\d{{10}})"
    r"(?!\w|[ ._\-/,]\d(?!\d?/\d\d))"
)
_RUN = re.compile(r"(?<![\w.+])(?<!\d[,\-])\d{11,19}(?!\w|[,\-]\d|\.(?!0+(?!\d))\d)")
# Shapes that are nobody's: times, addresses of machines, hexadecimal digests, decimals.
_UUID = re.compile(r"(?<![0-9a-z])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-z])", re.IGNORECASE)
_INNOCENT = re.compile(
    r"(?<!\d)\d{4}([-/.])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)"
    r"(?:[T _]?\d\d[:.]\d\d(?:[:.]\d\d(?:[.,]\d+)?)?)?"
    r"(?:Z|[ ]?[+-]\d\d:?\d\d(?!\d))?"
    r"|(?<![\d.])[0-3]?\d([-/.])[0-3]?\d\2(?:19|20)\d\d(?!\d)"
    r"|(?<![\d.])[0-3]\d([-/.])[0-3]\d\3\d\d[ T]\d\d:?\d\d(?!\d)"
    r"|(?<!\d)(?:19|20)\d{6}T\d{4,6}(?:\.\d+)?(?!\d)"
    r"|(?<!\d)\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:[ ]?[+-]\d\d:?\d\d)?(?!\d)"
    r"|(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]|-\d)"
    r"|(?<![\w])(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{12,}(?!\w)"
    r"|(?<![\w.+])(?<!\d-)(?!\d{13,}\.0+(?!\d))\d+\.\d+(?:[eE][+-]?\d+)?(?![\w]|[.\-]\d)",
    re.IGNORECASE,
)
_UPPER = {ord(sign): sign.upper() for sign in "abcdefghijklmnopqrstuvwxyz"}
_EDGE = " \t\r\n'\"`()[]{}<>,;:.#"
TOKEN = "[{}]"


def find(text: str, telling: frozenset[str] = frozenset()) -> list[Match]:
    """The look-alikes in `text`, with their places in it; `telling`: what the column's name announces."""
    normal = normalise(text)
    plain = normal.text
    found = [_placed(match, plain, normal) for match in _search(plain, telling)]
    # What is part of a valid number is no failed look-alike.
    covered = _covered(len(text), found)
    told = [match for match in found if match.valid or not any(covered[match.start : match.end])]
    return sorted(told, key=lambda match: (match.start, match.end))


def mask_text(text: str) -> str:
    """`text` with every personal value replaced by its kind, `[email]`; look-alikes count unless a checksum is
    wrong. For messages, examples and paths, so that they repeat nobody's data."""
    return masked(text, accepted(find(text)))


def accepted(matches: Iterable[Match]) -> list[Match]:
    """What is told of a text on its own, without a column's evidence."""
    return [match for match in matches if match.valid]


def masked(text: str, matches: Iterable[Match]) -> str:
    out, place = [], 0
    for match in sorted(matches, key=lambda match: (match.start, -match.end)):
        if match.start < place:
            place = max(place, match.end)
            continue
        out += [text[place : match.start], _token(text, match)]
        place = match.end
    return "".join(out) + text[place:]


def odds(match_kind: str, detail: str) -> chance.Odds:
    """The chances behind a look-alike that is not sure."""
    if match_kind == "card":
        return digit_runs.card_odds(detail)
    if match_kind == "iban":
        return chance.Odds(1 / 97)
    return codes.ODDS.get(detail) or digit_runs.ODDS[detail]


def _token(text: str, match: Match) -> str:
    token = TOKEN.format(match.kind)
    bare = jsontext.is_json(text) and text[match.start : match.end].strip("-.").isdigit()
    before = text[: match.start].rstrip()[-1:]
    # A number in JSON becomes a string, so that the JSON stays JSON.
    return f'"{token}"' if bare and before in (":", "[", ",") else token


def _placed(match: Match, plain: str, normal: Normal) -> Match:
    start, end = normal.original(match.start, match.end)
    where: Where = match.where
    if where == "text" and plain.strip(_EDGE) == plain[match.start : match.end].strip(_EDGE):
        where = "cell"
    return Match(match.kind, match.detail, start, end, where, match.structured, match.valid, match.digest)


def _search(text: str, telling: frozenset[str]) -> Iterator[Match]:
    """Kind after kind, from the most to the least telling; what one has found the next does not see."""
    seen = _UUID.sub(_blanked, _upper(text))
    mails = [Match("email", "", start, end) for start, end in emails.emails(text)]
    yield from mails
    seen = _blank(seen, mails)
    accounts = [
        Match("iban", seen[start : start + 2], start, end, "text", True, valid, codes.digest(seen[start:end]))
        for start, end, valid in iban.ibans(seen)
    ]
    yield from accounts
    seen = _blank(seen, accounts)
    named = list(_named(text, seen, telling)) if telling or jsontext.is_json(text) else []
    yield from named
    seen = _INNOCENT.sub(_blanked, _blank(seen, named))
    numbers = list(_numbers(seen))
    yield from numbers
    # What is perhaps chance stays in sight, so that what follows it is not taken for the start of a phone number.
    weak = _covered(len(seen), [match for match in numbers if match.where != "sure"])
    for start, end in phones.phones(_blank(seen, [match for match in numbers if match.where == "sure"])):
        if not any(weak[start:end]):
            yield Match("phone", "", start, end)


def _numbers(seen: str) -> Iterator[Match]:
    for found in _GROUPED.finditer(seen):
        if _is_card(found.group()):
            yield Match("card", "", *found.span())
    yield from codes.codes(seen)
    for found in _RUN.finditer(seen):
        yield from _run(int(found.group()), *found.span(), frozenset())


def _run(value: int, start: int, end: int, telling: frozenset[str]) -> Iterator[Match]:
    """Bare digits, by the rules for numbers."""
    if not telling and end - start not in digit_runs.LENGTHS:
        return
    values, lengths = np.array([value], np.uint64), np.array([end - start])
    code = int(chance.mixed(values)[0])
    if not telling and end - start in cards.ONLY and not cards.issued(values, end - start)[0]:
        yield Match("card", f"{end - start}_digits", start, end, "text", False, False, code)
        return
    for look in digit_runs.look(values, lengths, telling):
        if len(look.positions):
            where: Where = "text" if look.where == "cell" else "sure"
            yield Match(
                look.kind, look.detail, start, end, where, bool(look.structured[0]), bool(look.valid[0]), code
            )


def _is_card(text: str) -> bool:
    number = "".join(sign for sign in text if sign.isdigit())
    values = np.array([int(number)], np.uint64)
    return bool(cards.issued(values, len(number))[0] and luhn(matrix(values, len(number)))[0])


def _named(text: str, seen: str, telling: frozenset[str]) -> Iterator[Match]:
    """Numbers that the column's name or the keys of JSON text announce."""
    if not jsontext.is_json(text):
        yield from _announced(seen, 0, len(seen), telling)
        return
    for leaf in jsontext.leaves(text):
        announced = telling.union(*(vocabulary.telling(key) for key in leaf.keys))
        if announced:
            yield from _announced(seen, leaf.start, leaf.end, announced)


def _announced(seen: str, start: int, end: int, telling: frozenset[str]) -> Iterator[Match]:
    taken = False
    for found in re.finditer(r"(?<![\w.])\d(?:[ .\-/]?\d){7,18}(?![\w]|\.[1-9])", seen[start:end]):
        number = "".join(sign for sign in found.group() if sign.isdigit())
        at = (start + found.start(), start + found.end())
        values, lengths = np.array([int(number)], np.uint64), np.array([len(number)])
        for look in digit_runs.look(values, lengths, telling - {"phone"}):
            if look.where == "sure" and not taken:
                yield Match(look.kind, look.detail, *at)
                taken = True
    if "phone" in telling and not taken:
        for first, last in phones.named(seen[start:end]):
            yield Match("phone", "", start + first, start + last)


def _upper(text: str) -> str:
    """ASCII only, since ß would become two signs."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def _blanked(found: re.Match[str]) -> str:
    return "\x01" * len(found.group())


def _blank(text: str, matches: Iterable[Match]) -> str:
    """`text` with a sign that nothing matches in place of what is valid among the matches."""
    out, place = [], 0
    for match in sorted((match for match in matches if match.valid), key=lambda match: match.start):
        start = max(match.start, place)
        out += [text[place:start], "\x01" * (match.end - start)]
        place = max(match.end, place)
    return "".join(out) + text[place:]


def _covered(length: int, matches: Iterable[Match]) -> bytearray:
    """A one for each place of a text that a valid match takes."""
    covered = bytearray(length)
    for match in matches:
        if match.valid:
            covered[match.start : match.end] = b"\x01" * (match.end - match.start)
    return covered


@lru_cache(maxsize=1024)
def inner_path(text: str, start: int) -> str:
    """Where in JSON text the place `start` lies, masked; empty for other text."""
    if not jsontext.is_json(text):
        return ""
    for leaf in jsontext.leaves(text):
        if leaf.start <= start < max(leaf.end, leaf.start + 1):
            return mask_text(jsontext.path(leaf.keys))
    return "$"
