"""Numbers of payment cards: who issues which first digits, at which lengths. `digit_runs` and `texts` call this.

ISO/IEC 7812-1 for the structure, the networks' published ranges for the prefixes; lengths as they are in use
(Visa's thirteen digits are no longer issued). The check digit is Luhn's.
"""

import numpy as np
import numpy.typing as npt

from tidemill.data.personal.chance import Odds
from tidemill.data.personal.checksums import Flags

DIGITS = range(14, 20)
ONLY = (14, 16, 17, 19)  # lengths that no identity number has
# First four digits, from and to, and the lengths.
_ISSUERS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (4000, 4999, (16,)),  # Visa
    (5100, 5599, (16,)),  # Mastercard
    (2221, 2720, (16,)),  # Mastercard, since 2017
    (2200, 2204, (16,)),  # Mir
    (3400, 3499, (15,)),  # American Express
    (3700, 3799, (15,)),
    (6011, 6011, (16,)),  # Discover
    (6440, 6599, (16,)),  # Discover, RuPay
    (3528, 3589, (16,)),  # JCB
    (3000, 3059, (14,)),  # Diners Club
    (3600, 3699, (14,)),
    (3800, 3999, (14, 16)),
    (6200, 6299, (16, 17, 18, 19)),  # UnionPay
)


def _table(length: int) -> Flags:
    fronts = np.zeros(10_000, np.bool_)
    for first, last, lengths in _ISSUERS:
        fronts[first : last + 1] |= length in lengths
    return fronts


_FRONTS = {length: _table(length) for length in DIGITS}


def issued(values: npt.NDArray[np.uint64], length: int) -> Flags:
    """Which numbers of `length` digits start as cards of that length do."""
    fits: Flags = _FRONTS[length][values // np.uint64(10 ** (length - 4))]
    return fits


def odds(length: int) -> Odds:
    """The chances of a random number of that length: the prefixes' share, and one check digit in ten."""
    taken = sum(last - first + 1 for first, last, lengths in _ISSUERS if length in lengths)
    return Odds(0.1, taken / 9000)
