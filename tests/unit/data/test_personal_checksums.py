"""Check digits: published specimens pass, and every change of one digit fails where the method promises it."""

from collections.abc import Callable

import numpy as np
import pytest

from tidemill.data.personal import checksums, codes, iban, national
from tidemill.data.personal.chance import SAMPLE, Odds, Sample, mixed, tail


def digits(text: str) -> checksums.Digits:
    return np.array([[int(sign) for sign in text]])


SPECIMENS: list[tuple[Callable[[checksums.Digits], checksums.Flags], str]] = [
    (checksums.luhn, "4111111111111111"),
    (checksums.luhn, "378282246310005"),
    (checksums.luhn, "79927398713"),  # the example of ISO/IEC 7812's readers
    (checksums.ean13, "7569217076985"),
    (checksums.ean13, "4006381333931"),
    (checksums.mod_11_10, "86095742719"),
    (checksums.mod_11_2, "440524188001010014"),
    (checksums.verhoeff, "2363"),  # Verhoeff's own: 236, check digit 3
    (checksums.verhoeff, "234123412346"),
    (checksums.eleven_test, "111222333"),
    (checksums.eleven_test, "123456782"),
    (checksums.cpf, "11144477735"),
    (checksums.cpf, "52998224725"),
    *(
        (next(scheme for scheme in national.SCHEMES if scheme.name == name).valid, number)
        for name, number in (
            ("fr_nir", "255081416802538"),
            ("pl_pesel", "44051401359"),
            ("be_national_number", "85073003328"),
            ("be_national_number", "93051822361"),
        )
    ),
]


@pytest.mark.parametrize(("check", "specimen"), SPECIMENS)
def test_a_specimen_passes_and_no_other_last_digit_does(
    check: Callable[[checksums.Digits], checksums.Flags], specimen: str
) -> None:
    passing = [last for last in "0123456789" if check(digits(specimen[:-1] + last))[0]]
    assert passing == [specimen[-1]]


@pytest.mark.parametrize("specimen", ["4111111111111111", "378282246310005"])
def test_luhn_sees_every_change_of_one_digit(specimen: str) -> None:
    for place in range(len(specimen)):
        for digit in set("0123456789") - {specimen[place]}:
            assert not checksums.luhn(digits(specimen[:place] + digit + specimen[place + 1 :]))[0]


def test_iban_lengths_and_check_digits() -> None:
    assert list(iban.ibans("GB29NWBK60161331926819")) == [(0, 22, True)]
    assert list(iban.ibans("GB28NWBK60161331926819")) == [(0, 22, False)]
    assert list(iban.ibans("GB29NWBK6016133192681")) == []


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("000-12-3456", False),
        ("666-12-3456", False),
        ("900-12-3456", False),
        ("123-00-4567", False),
        ("123-45-0000", False),
        ("219-09-9999", True),
    ],
)
def test_social_security_numbers_never_issued(text: str, valid: bool) -> None:
    assert [match.detail for match in codes.codes(text)] == (["us_ssn"] if valid else [])


def test_the_numbers_of_a_matrix_come_back() -> None:
    values = np.array([0, 7, 123456789012345678], np.uint64)
    assert checksums.number(checksums.matrix(values, 18)).tolist() == values.tolist()


def test_the_tail_is_the_binomial_one() -> None:
    stats = pytest.importorskip("scipy.stats")
    for count, chance, least in ((10, 0.1, 3), (100, 0.024, 8), (1000, 0.3, 350), (5, 0.5, 0)):
        assert tail(count, chance, least) == pytest.approx(stats.binom.sf(least - 1, count, chance), rel=1e-9)


def test_the_sample_does_not_depend_on_order_and_stays_bounded() -> None:
    hashes = mixed(np.arange(10_000, dtype=np.uint64))
    grades = (hashes % 3).astype(np.uint8)
    there, back = Sample(), Sample()
    there.add(hashes, grades)
    for part in np.array_split(np.arange(10_000)[::-1], 7):
        back.add(hashes[part], grades[part])
    assert len(there.hashes) == SAMPLE
    assert there.hashes.tolist() == back.hashes.tolist()
    assert there.grades.tolist() == back.grades.tolist()


def test_what_repeats_counts_once() -> None:
    sample, one = Sample(), mixed(np.array([5], np.uint64))
    for _ in range(100):
        sample.add(one, np.array([2], np.uint8))
    assert len(sample.hashes) == 1
    assert not sample.exceeds(Odds(0.2))
