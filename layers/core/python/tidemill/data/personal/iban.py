"""International bank account numbers. `texts` calls `ibans`; nothing is written.

Lengths by country: SWIFT IBAN Registry (ISO 13616-2), release 99.
"""

import re
from collections.abc import Iterator

from tidemill.data.personal.checksums import mod_97_10

_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 "
    "EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 "
    "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 "
    "NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 "
    "SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 "
)
LENGTHS = {entry[:2]: int(entry[2:]) for entry in _LENGTHS.split()}
_START = re.compile(rf"(?<![A-Z0-9])(?:{'|'.join(LENGTHS)})[ .\-]?[0-9][ .\-]?[0-9](?=[ .\-]?[A-Z0-9])")
_SEPARATORS = " .-"
_FEWEST_DIGITS = 8  # every registered account number has more; words after "AT 20" have not


def ibans(text: str) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether the check digits agree) of what has an IBAN's country and length in upper-case
    `text`."""
    for start in _START.finditer(text):
        end, code = _collect(text, start.start(), LENGTHS[text[start.start() : start.start() + 2]])
        if code and sum(sign.isdigit() for sign in code[4:]) >= _FEWEST_DIGITS:
            yield start.start(), end, mod_97_10(code)


def _collect(text: str, start: int, length: int) -> tuple[int, str]:
    """The end and the `length` letters and digits from `start` on, or an empty code if they do not stand apart."""
    signs: list[str] = []
    place = start
    while place < len(text) and len(signs) < length:
        sign = text[place]
        if sign.isascii() and sign.isalnum():
            signs.append(sign)
        elif sign not in _SEPARATORS or text[place - 1] in _SEPARATORS:
            break
        place += 1
    apart = place == len(text) or not text[place].isalnum()
    return place, "".join(signs) if apart and len(signs) == length else ""
