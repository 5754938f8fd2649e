"""Identity numbers that are digits only, each with its structure, checksum and chances. `digit_runs` applies them.

A structure function says which rows of a digit matrix have the date, prefix or pattern that the scheme demands.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tidemill.data.personal import checksums
from tidemill.data.personal.chance import Odds
from tidemill.data.personal.checksums import Digits, Flags


@dataclass(frozen=True)
class Scheme:
    """Bare digits of this `length` are told when the column says so by its name (`telling_only`), or on the
    evidence of the whole column, with `odds`."""

    name: str
    length: int
    structure: Callable[[Digits], Flags]
    valid: Callable[[Digits], Flags]
    odds: Odds
    telling_only: bool = False
    prefix: int = 0  # the first three digits, if they are fixed: most numbers are settled by that alone


def _pair(digits: Digits, at: int) -> Digits:
    return digits[:, at] * 10 + digits[:, at + 1]


def _day_and_month(digits: Digits, month: int, day: int, *, centuries: tuple[int, ...] = (0,)) -> Flags:
    months, days = _pair(digits, month), _pair(digits, day)
    fits: Flags = np.zeros(len(digits), np.bool_)
    for added in centuries:
        fits |= (months > added) & (months <= added + 12)
    fits &= (days >= 1) & (days <= 31)
    return fits


def _any(digits: Digits) -> Flags:
    return np.ones(len(digits), np.bool_)


def ssn(digits: Digits) -> Flags:
    """SSA, POMS RM 10201.035: no area 000, 666 or 900-999, no group 00, no serial 0000. There is no check
    digit."""
    area = _pair(digits, 0) * 10 + digits[:, 2]
    serial = checksums.number(digits[:, 5:])
    fits: Flags = (area > 0) & (area != 666) & (area < 900) & (_pair(digits, 3) > 0) & (serial > 0)
    return fits


def _steuer_id(digits: Digits) -> Flags:
    """BZSt, Identifikationsnummer: no leading zero; of the first ten digits exactly one comes twice or thrice."""
    counts = np.stack([(digits[:, :10] == digit).sum(axis=1) for digit in range(10)])
    once, more = (counts == 1).sum(axis=0), ((counts == 2) | (counts == 3)).sum(axis=0)
    fits: Flags = (digits[:, 0] > 0) & (more == 1) & (once + counts.max(axis=0) == 10)
    return fits


def _nir(digits: Digits) -> Flags:
    """INSEE: sex, year, month (also 20-42 and 50-99 where it is not known), department."""
    month = _pair(digits, 3)
    known = (month >= 1) & (month <= 12) | (month >= 20) & (month <= 42) | (month >= 50)
    fits: Flags = np.isin(digits[:, 0], (1, 2, 3, 4, 7, 8)) & known & (_pair(digits, 5) > 0)
    return fits


def _nir_key(digits: Digits) -> Flags:
    """97 less the first thirteen digits modulo 97."""
    fits: Flags = 97 - checksums.number(digits[:, :13]) % 97 == _pair(digits, 13)
    return fits


def _pesel(digits: Digits) -> Flags:
    """Ustawa o ewidencji ludności, Dz.U. 2010 nr 217 poz. 1427: century in the month, weights 1 3 7 9."""
    fits: Flags = checksums.weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), 10) == 0
    return fits


def _belgian(digits: Digits) -> Flags:
    """Arrêté royal du 3 avril 1984: 97 less the number modulo 97, a 2 before it for births since 2000."""
    front, check = checksums.number(digits[:, :9]), _pair(digits, 9)
    fits: Flags = (97 - front % 97 == check) | (97 - (2_000_000_000 + front) % 97 == check)
    return fits


def _chinese(digits: Digits) -> Flags:
    """GB 11643-1999: province, then a birth date from 1850 on at the seventh digit."""
    province, year = _pair(digits, 0), _pair(digits, 6) * 100 + _pair(digits, 8)
    provinces = (11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46)
    west = (50, 51, 52, 53, 54, 61, 62, 63, 64, 65, 71, 81, 82, 83)
    fits: Flags = (
        np.isin(province, provinces + west) & (year >= 1850) & (year < 2030) & _day_and_month(digits, 10, 12)
    )
    return fits


SCHEMES = (
    Scheme("fr_nir", 15, _nir, _nir_key, Odds(1 / 97, 0.5)),
    Scheme("de_steuer_id", 11, _steuer_id, checksums.mod_11_10, Odds(0.1, 0.04)),
    Scheme(
        "pl_pesel",
        11,
        lambda digits: _day_and_month(digits, 2, 4, centuries=(0, 20, 40, 60, 80)),
        _pesel,
        Odds(0.1, 0.19),
    ),
    Scheme(
        "be_national_number",
        11,
        lambda digits: _day_and_month(digits, 2, 4),
        _belgian,
        Odds(2 / 97, 0.04),
    ),
    Scheme(
        "ch_ahv",
        13,
        _any,
        checksums.ean13,
        Odds(0.1, 0.001),
        prefix=756,
    ),
    Scheme("cn_resident_id", 18, _chinese, checksums.mod_11_2, Odds(1 / 11, 0.0002)),
    Scheme("us_ssn", 9, _any, ssn, Odds(0.9), telling_only=True),
    Scheme("nl_bsn", 9, _any, checksums.eleven_test, Odds(1 / 11), telling_only=True),
    Scheme("ca_sin", 9, _any, checksums.luhn, Odds(0.1), telling_only=True),
    Scheme(
        "se_personnummer",
        10,
        lambda digits: _day_and_month(digits, 2, 4),
        checksums.luhn,
        Odds(0.1, 0.04),
        telling_only=True,
    ),
    Scheme(
        "se_personnummer",
        12,
        lambda digits: np.isin(_pair(digits, 0), (18, 19, 20)) & _day_and_month(digits, 4, 6),
        lambda digits: checksums.luhn(digits[:, 2:]),
        Odds(0.1, 0.001),
        telling_only=True,
    ),
    Scheme("br_cpf", 11, _any, checksums.cpf, Odds(0.01), telling_only=True),
    Scheme(
        "in_aadhaar", 12, lambda digits: digits[:, 0] > 1, checksums.verhoeff, Odds(0.1, 0.8), telling_only=True
    ),
)
