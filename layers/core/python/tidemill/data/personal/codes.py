"""Identity numbers as people write them: with letters, or digits grouped in the scheme's way. `texts` calls
`codes`.

Where the writing alone is telling and the checksum strong, a match is sure; where innocent codes of the same form
are common (eight digits and a letter), the column as a whole decides: see `chance`.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tidemill.data.personal import checksums, national
from tidemill.data.personal.chance import Odds
from tidemill.data.personal.findings import Match, Where

_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_LETTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_NINO_NEVER = {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}
_DIGIT = "[0-9LMNPQRSTUV]"  # omocodia: letters in place of digits, so that two people's codes differ
_WITH_LETTERS = {"it_codice_fiscale", "uk_nino", "es_nie", "es_dni", "fi_hetu", "cn_resident_id"}
_LETTERED, _GROUPED = re.compile(r"[A-Z][ -]?[0-9]|[0-9][ +-]?[A-Z]"), re.compile(r"[0-9][ .+\-/][0-9]|2[AB]")


@dataclass(frozen=True)
class Form:
    """One way of writing. `odds` None: what is valid is sure. The pattern sees upper-case ASCII in normal form."""

    name: str
    pattern: re.Pattern[str]
    valid: Callable[[str], bool]
    odds: Odds | None = None

    @property
    def lettered(self) -> bool:
        return self.name in _WITH_LETTERS


def _digits(text: str) -> checksums.Digits:
    return np.array([[int(sign) for sign in text if sign.isdigit()]])


def _holds(*names: str) -> Callable[[str], bool]:
    """Structure and checksum of the schemes of that name and length in `national`."""

    def valid(text: str) -> bool:
        digits = _digits(text)
        schemes = [s for s in national.SCHEMES if s.name in names and s.length == digits.shape[1]]
        return any(bool((s.structure(digits) & s.valid(digits))[0]) for s in schemes)

    return valid


def _spanish(text: str) -> bool:
    """DNI and NIE: Real Decreto 1553/2005; the number modulo 23, X Y Z standing for 0 1 2."""
    code = "".join(sign for sign in text if sign.isalnum())
    number = int(code[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2"))
    return _DNI_LETTERS[number % 23] == code[-1]


def _nino(text: str) -> bool:
    """HMRC, National Insurance Manual NIM39110. QQ is never issued; it is the form's printed specimen."""
    front = text[:2]
    issued = front[0] not in "DFIQUV" and front[1] not in "DFIQUVO" and front not in _NINO_NEVER
    return (issued or front == "QQ") and text[-1] in "ABCD"


def _italian(text: str) -> bool:
    return checksums.italian("".join(sign for sign in text if sign.isalnum()))


def _finnish(text: str) -> bool:
    """Digital and Population Data Services Agency, the personal identity code: nine digits modulo 31."""
    day, month = int(text[:2]), int(text[2:4])
    number = int(text[:6] + text[7:10])
    return 1 <= day <= 31 and 1 <= month <= 12 and _HETU_LETTERS[number % 31] == text[-1]


def _corsican(text: str) -> bool:
    """A NIR of Corsica: 2A counts as 19, 2B as 18 for the key (INSEE)."""
    code = "".join(sign for sign in text if sign.isalnum())
    number = int(code[:13].replace("2A", "19").replace("2B", "18"))
    return 97 - number % 97 == int(code[13:])


def _chinese_x(text: str) -> bool:
    scheme = next(s for s in national.SCHEMES if s.name == "cn_resident_id")
    digits = np.array([[10 if sign == "X" else int(sign) for sign in text]])
    return bool((scheme.structure(digits) & scheme.valid(digits))[0])


def _clockless(text: str) -> bool:
    """A Swedish number of twelve digits that is no date and time of day, as file names have them."""
    hour, minute = int(text[-4:-2]), int(text[-2:])
    return (hour > 23 or minute > 59) and _holds("se_personnummer")(text)


def _form(name: str, pattern: str, valid: Callable[[str], bool], odds: Odds | None = None) -> Form:
    return Form(name, re.compile(rf"(?<![A-Z0-9_]){pattern}(?![A-Z0-9_]|[.\-][0-9])"), valid, odds)


FORMS = (
    _form(
        "it_codice_fiscale",
        rf"[A-Z]{{3}}[ -]?[A-Z]{{3}}[ -]?{_DIGIT}{{2}}[ABCDEHLMPRST]{_DIGIT}{{2}}[ -]?[A-Z]{_DIGIT}{{3}}[A-Z]",
        _italian,
    ),
    _form("uk_nino", r"[A-Z]{2}[ -]?[0-9]{2}([ -])[0-9]{2}\1[0-9]{2}[ -]?[A-Z]", _nino),
    _form("uk_nino", r"[A-Z]{2}[0-9]{6}[A-Z]", _nino, Odds(0.08)),
    _form("uk_nino", r"[A-Z]{2}[0-9]{6}[ -][A-D]", _nino),
    _form("es_nie", r"[XYZ][ -]?[0-9]{7}[ -]?[A-Z]", _spanish, Odds(1 / 23)),
    _form("es_dni", r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}[ -]?[A-Z]", _spanish),
    _form("es_dni", r"[0-9]{8}[ -]?[A-Z]", _spanish, Odds(1 / 23)),
    _form("fi_hetu", r"[0-9]{6}[-+A-FU-Y][0-9]{3}[A-Y]", _finnish),
    _form("fi_hetu", r"[0-9]{6}[A-FU-Y][0-9]{4}", _finnish),
    _form(
        "fr_nir",
        r"[12][ .-]?[0-9]{2}[ .-]?[0-9]{2}[ .-]?2[AB][ .-]?[0-9]{3}[ .-]?[0-9]{3}[ .-]?[0-9]{2}",
        _corsican,
    ),
    _form(
        "fr_nir",
        r"[1-478]([ .-])[0-9]{2}\1[0-9]{2}\1[0-9]{2}\1[0-9]{3}\1[0-9]{3}[ .\-/]{1,3}[0-9]{2}",
        _holds("fr_nir"),
    ),
    _form("cn_resident_id", r"[0-9]{17}X", _chinese_x),
    _form("ch_ahv", r"756([ .-])[0-9]{4}\1[0-9]{4}\1[0-9]{2}", _holds("ch_ahv")),
    _form("br_cpf", r"[0-9]{3}[. ][0-9]{3}[. ][0-9]{3}[- /][0-9]{2}", _holds("br_cpf")),
    _form("br_cpf", r"[0-9]{9}-[0-9]{2}", _holds("br_cpf")),
    _form(
        "be_national_number",
        r"[0-9]{2}[. -][0-9]{2}[. -][0-9]{2}[- ][0-9]{3}[. -][0-9]{2}",
        _holds("be_national_number"),
    ),
    _form("de_steuer_id", r"[0-9]{2}([ .-])[0-9]{3}\1[0-9]{3}\1[0-9]{3}", _holds("de_steuer_id")),
    _form("us_ssn", r"[0-9]{3}-[0-9]{2}-[0-9]{4}", lambda text: bool(national.ssn(_digits(text))[0])),
    _form("se_personnummer", r"[0-9]{6}[-+][0-9]{4}", _holds("se_personnummer"), Odds(0.1)),
    _form("se_personnummer", r"(?:19|20)[0-9]{6}[-+][0-9]{4}", _clockless, Odds(0.1)),
    _form("in_aadhaar", r"[2-9][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}", _holds("in_aadhaar"), Odds(0.1)),
    _form(
        "ca_sin",
        r"[0-79][0-9]{2}([ -])[0-9]{3}\1[0-9]{3}",
        lambda text: bool(checksums.luhn(_digits(text))[0]),
        Odds(0.1),
    ),
)
ODDS = {form.name: form.odds for form in FORMS if form.odds}


def codes(text: str) -> Iterator[Match]:
    """Identity numbers in upper-case `text`; those that need the column's evidence are `text`, not yet `cell`."""
    lettered, grouped = bool(_LETTERED.search(text)), bool(_GROUPED.search(text))
    for form in FORMS:
        if not (lettered if form.lettered else grouped):
            continue
        for found in form.pattern.finditer(text):
            valid = form.valid(found.group())
            if not valid and form.odds is None:
                continue
            where: Where = "text" if form.odds else "sure"
            yield Match("national_id", form.name, *found.span(), where, True, valid, digest(found.group()))


def digest(text: str) -> int:
    """32 bits to tell look-alikes apart by."""
    return zlib.crc32("".join(sign for sign in text if sign.isalnum()).encode())
