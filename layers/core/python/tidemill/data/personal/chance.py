"""Whether look-alikes in a column agree with a checksum more often than chance lets them. `scanner` calls this.

A check digit is right for one random number in ten. A column of a million order numbers with sixteen digits holds
some 24,000 that pass for cards: 24 % start like a card, a tenth of these pass Luhn. Refusing it would be wrong,
and so would be overlooking a column of cards, or the one card in a column of small numbers. So for each column and
scheme the distinct look-alikes are counted: n of the right length, m of them with the right prefix (or date), k of
these with the right check digit. Under chance k is binomial, and k is told only if it is too large for chance
twice over:

    P(Binomial(n, share x check) ≥ k) ≤ alpha / n²      numbers drawn at random
    P(Binomial(m, check) ≥ k) ≤ alpha / m²              numbers counted up, which all share their first digits

with alpha = 0.1, the square because the more look-alikes a column has, the surer it is one of ids: of such
columns with 100 look-alikes one in 100,000 is told wrongly; a lone look-alike (n = 1) is told if its chance is
at most 0.1, which a check digit just meets. Distinct values, since an id repeated in every row is one piece of
evidence, not a thousand. They are counted in a bottom-k sample by hash (Cohen & Kaplan, "Summarizing data using
bottom-k sketches", PODC 2007): bounded, mergeable, independent of order, a uniform sample of the distinct
values. Hashes have 32 bits, so that thousands of numbers share each one and it does not give its number away.

In running text a card or IBAN is told unless such look-alikes are frequent there (30 or more) and agree like
chance.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

ALPHA = 0.1
SAMPLE = 1024  # distinct look-alikes kept of a column and scheme
FREQUENT = 30

Hashes = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Odds:
    """Chances of an innocent look-alike: `share` have the right structure, `check` of these the right check
    digit."""

    check: float
    share: float = 1.0


def tail(count: int, chance: float, least: int) -> float:
    """P(Binomial(count, chance) ≥ least)."""
    if least <= 0:
        return 1.0
    logs = (
        math.lgamma(count + 1)
        - math.lgamma(hits + 1)
        - math.lgamma(count - hits + 1)
        + hits * math.log(chance)
        + (count - hits) * math.log1p(-chance)
        for hits in range(least, count + 1)
    )
    return min(1.0, math.fsum(math.exp(value) for value in logs))


@dataclass
class Sample:
    """The look-alikes with the smallest hashes: `hashes` ascending, `grades` 0 right length, 1 structure, 2
    check."""

    hashes: Hashes = field(default_factory=lambda: np.empty(0, np.uint32))
    grades: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))

    def add(self, hashes: Hashes, grades: npt.NDArray[np.uint8]) -> None:
        if len(self.hashes) == SAMPLE:
            small = hashes < self.hashes[-1]
            hashes, grades = hashes[small], grades[small]
        every, first = np.unique(np.concatenate([self.hashes, hashes]), return_index=True)
        self.hashes = every[:SAMPLE]
        self.grades = np.concatenate([self.grades, grades])[first[:SAMPLE]]

    def exceeds(self, odds: Odds) -> bool:
        """Whether the check digits agree more often than chance."""
        n, m, k = len(self.grades), int((self.grades >= 1).sum()), int((self.grades == 2).sum())
        if k == 0:
            return False
        return _rare(n, odds.check * odds.share, k) and _rare(m, odds.check, k)


def _rare(count: int, chance: float, least: int) -> bool:
    return tail(count, chance, least) <= ALPHA / count**2 * (1 + 1e-9)


def mixed(values: npt.NDArray[np.uint64]) -> Hashes:
    """32-bit hashes of integers: the finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    z = values + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(32)).astype(np.uint32)
