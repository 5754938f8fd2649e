"""Columns of whole numbers, and texts that are digits only: which could be cards or identity numbers.

`engine` calls `look` with the numbers of a column, `texts` with the runs it finds. Vectorised; nothing is written.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tidemill.data.personal import cards, checksums
from tidemill.data.personal.chance import Odds
from tidemill.data.personal.checksums import Digits, Flags
from tidemill.data.personal.findings import Where
from tidemill.data.personal.national import SCHEMES, Scheme

Values = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

PHONE = range(7, 16)  # digits of a phone number: ITU-T E.164 allows 15; below 7 it is an extension
SMALLEST = 10**8  # nothing below has a card's or an identity number's length, unless the column's name says so
_POWERS = np.array([10**power for power in range(1, 20)], np.uint64)
LENGTHS = frozenset(cards.DIGITS) | {scheme.length for scheme in SCHEMES if not scheme.telling_only}
ODDS: dict[str, Odds] = {scheme.name: scheme.odds for scheme in SCHEMES if not scheme.telling_only}


@dataclass(frozen=True)
class Look:
    """The look-alikes of one scheme: positions in the column, whether each has the structure and the checksum.
    `sure`: the column's name says what they are."""

    kind: str
    detail: str
    where: Where
    positions: Positions
    structured: Flags
    valid: Flags


def lengths_of(values: Values) -> npt.NDArray[np.int64]:
    """How many digits each has."""
    return np.searchsorted(_POWERS, values, side="right") + 1


def look(values: Values, lengths: npt.NDArray[np.int64], telling: frozenset[str]) -> Iterator[Look]:
    """The look-alikes among non-negative numbers, of `lengths` digits (leading zeros counted in)."""
    taken = np.zeros(len(values), np.bool_)
    for told in _told_by_name(values, lengths, telling):
        taken[told.positions] = True
        yield told
    for length in np.unique(lengths[~taken]).tolist():
        schemes = [scheme for scheme in SCHEMES if scheme.length == length and not scheme.telling_only]
        if not schemes and length not in cards.DIGITS:
            continue
        at = np.flatnonzero((lengths == length) & ~taken)
        looks = [_card(at, values[at], length)] if length in cards.DIGITS else []
        yield from _explained([*looks, *(_judge(scheme, at, values[at]) for scheme in schemes)])


def _explained(looks: list[Look]) -> list[Look]:
    """What is valid by one scheme is no evidence against another: a PESEL is no failed Steuer-ID."""
    if len(looks) < 2:
        return looks
    others = np.sum([look.valid for look in looks], axis=0)
    kept = [look.valid | (others == 0) for look in looks]
    return [
        replace(look, positions=look.positions[keep], structured=look.structured[keep], valid=look.valid[keep])
        for look, keep in zip(looks, kept, strict=True)
    ]


def _card(at: Positions, values: Values, length: int) -> Look:
    structured = cards.issued(values, length)
    valid = _where(structured, values, length, checksums.luhn)
    return Look("card", f"{length}_digits", "cell", at, structured, valid)


def _judge(scheme: Scheme, at: Positions, values: Values) -> Look:
    structured = np.ones(len(values), np.bool_)
    if scheme.prefix:
        structured = values // np.uint64(10 ** (scheme.length - 3)) == scheme.prefix
    structured = _where(structured, values, scheme.length, scheme.structure)
    valid = _where(structured, values, scheme.length, scheme.valid)
    return Look("national_id", scheme.name, "cell", at, structured, valid)


def _where(so_far: Flags, values: Values, length: int, check: Callable[[Digits], Flags]) -> Flags:
    """A check, worked out only where what went before is fulfilled."""
    passed = so_far.copy()
    if so_far.any():
        passed[so_far] = check(checksums.matrix(values[so_far], length))
    return passed


def _told_by_name(values: Values, lengths: npt.NDArray[np.int64], telling: frozenset[str]) -> Iterator[Look]:
    """What a column named like `phone`, `card_number` or `ssn` holds."""
    if "card" in telling:
        for length in range(13, 20):
            yield from _sure("card", "", values, np.flatnonzero(lengths == length), length, checksums.luhn)
    if telling:
        for scheme in SCHEMES:
            if scheme.name in telling or "national_id" in telling:
                # Numbers lose their leading zeros: 078051120 is stored as 78051120.
                short = 2 if scheme.name in telling else 0
                at = np.flatnonzero((lengths <= scheme.length) & (lengths >= scheme.length - short))
                yield from _sure("national_id", scheme.name, values, at, scheme.length, _both(scheme))
    if "phone" in telling:
        at = np.flatnonzero((lengths >= PHONE.start) & (lengths < PHONE.stop))
        yield from _sure("phone", "", values, at, 15, lambda digits: np.ones(len(digits), np.bool_))


def _both(scheme: Scheme) -> Callable[[Digits], Flags]:
    return lambda digits: scheme.structure(digits) & scheme.valid(digits)


def _sure(
    kind: str, detail: str, values: Values, at: Positions, length: int, check: Callable[[Digits], Flags]
) -> Iterator[Look]:
    hits = at[check(checksums.matrix(values[at], length))] if len(at) else at
    if len(hits):
        fine = np.ones(len(hits), np.bool_)
        yield Look(kind, detail, "sure", hits, fine, fine)


def card_odds(detail: str) -> Odds:
    """The chances behind a `card` of so many digits."""
    return cards.odds(int(detail.removesuffix("_digits")))
