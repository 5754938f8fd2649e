"""Check digits of identifiers: each over many at once. `cards`, `national` and `iban` call these; nothing is
written.

`digits` is always an integer matrix, one number a row, one digit a column, the check digit(s) last. The result is
one boolean a row.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Digits = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Verhoeff, "Error Detecting Decimal Codes", Mathematical Centre Tracts 29, 1969: the dihedral group D5 and a
# permutation applied once more at each position.
_D5 = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ]
)
_TURN = np.array([1, 5, 7, 6, 2, 8, 3, 0, 9, 4])


def matrix(values: npt.NDArray[Any], length: int) -> Digits:
    """The decimal digits of non-negative integers, padded with zeros on the left to `length`."""
    rest = values.astype(np.uint64)
    out = np.empty((len(rest), length), np.int64)
    for place in range(length - 1, -1, -1):
        rest, digit = np.divmod(rest, np.uint64(10))
        out[:, place] = digit
    return out


def luhn(digits: Digits) -> Flags:
    """ISO/IEC 7812-1 annex B (H. P. Luhn, US patent 2,950,048): every second digit from the right doubled."""
    doubled = digits[:, -2::-2] * 2
    total = digits[:, ::-2].sum(axis=1) + (doubled - 9 * (doubled > 9)).sum(axis=1)
    result: Flags = total % 10 == 0
    return result


def weighted(digits: Digits, weights: tuple[int, ...], modulus: int) -> Digits:
    """Σ weight x digit modulo `modulus`, of the first digits if there are more than weights."""
    result: Digits = (digits[:, : len(weights)] * np.array(weights)).sum(axis=1) % modulus
    return result


def ean13(digits: Digits) -> Flags:
    """GS1 General Specifications, 7.9.1: weights 1 and 3 in turn."""
    result: Flags = weighted(digits, (1, 3) * 6 + (1,), 10) == 0
    return result


def mod_11_10(digits: Digits) -> Flags:
    """ISO 7064, hybrid system MOD 11,10."""
    product = np.full(len(digits), 10)
    for column in digits[:, :-1].T:
        total = (column + product) % 10
        product = np.where(total == 0, 10, total) * 2 % 11
    result: Flags = (11 - product) % 10 == digits[:, -1]
    return result


def mod_11_2(digits: Digits) -> Flags:
    """ISO 7064, MOD 11-2; the last "digit" may be 10, written X."""
    length = digits.shape[1]
    result: Flags = weighted(digits, tuple(pow(2, length - 1 - place, 11) for place in range(length)), 11) == 1
    return result


def verhoeff(digits: Digits) -> Flags:
    """Verhoeff 1969, with the check digit last."""
    state, turn = np.zeros(len(digits), np.int64), np.arange(10)
    for column in digits[:, ::-1].T:
        state = _D5[state, turn[column]]
        turn = _TURN[turn]
    result: Flags = state == 0
    return result


def eleven_test(digits: Digits) -> Flags:
    """The Dutch "elfproef" for the BSN (Logisch Ontwerp BSN, annex): weights 9 to 2, then -1."""
    result: Flags = weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11) == 0
    return result


def cpf(digits: Digits) -> Flags:
    """Receita Federal, two digits modulo 11; eleven equal digits pass the sums and are never issued."""
    first = weighted(digits, tuple(range(10, 1, -1)), 11)
    second = weighted(digits, tuple(range(11, 1, -1)), 11)
    agree = (np.where(first < 2, 0, 11 - first) == digits[:, 9]) & (
        np.where(second < 2, 0, 11 - second) == digits[:, 10]
    )
    result: Flags = agree & (digits != digits[:, :1]).any(axis=1)
    return result


def number(digits: Digits) -> Digits:
    """The integers that rows of at most 18 digits spell."""
    result: Digits = digits @ (10 ** np.arange(digits.shape[1] - 1, -1, -1, dtype=np.int64))
    return result


def italian(code: str) -> bool:
    """Codice fiscale, 16 characters: Decreto ministeriale 23 dicembre 1976, odd places by a table, modulo 26."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    ranks = [int(sign) if sign.isdigit() else ord(sign) - 65 for sign in code]
    total = sum(odd[rank] if place % 2 == 0 else rank for place, rank in enumerate(ranks[:15]))
    return total % 26 == ranks[15]


def mod_97_10(code: str) -> bool:
    """ISO 7064 MOD 97-10 as ISO 13616-1 applies it: first four characters moved last, A = 10 ... Z = 35."""
    return int("".join(str(int(sign, 36)) for sign in code[4:] + code[:4])) % 97 == 1
