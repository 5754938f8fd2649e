"""Phone numbers in normal text. `texts` calls `phones`, and `named` where a name says that a number is one.

Bare digits are a phone number only if a name says so. Otherwise it takes a plus and a country's code (ITU-T
E.164), or separators and a national form: North America (NANPA: areas start with 2-9; made-up numbers have any
exchange), a trunk 0, or an area code in parentheses.
"""

import re
from collections.abc import Iterator

# ITU-T E.164 assigned country codes.
_CODES = (
    "1|7|20|21[1-368]|22\\d|23\\d|24\\d|25[0-8]|26\\d|27|29[01789]|3[0-469]|35\\d|37\\d|38[0-35-79]|4[013-9]|42[013]|"
    "50\\d|5[1-8]|59\\d|6[0-6]|67[02-9]|68\\d|69[0-2]|8[1246]|80[08]|85[02356]|870|878|88[0-368]|9[0-58]|96[0-8]|"
    "97[0-79]|99[2-68]"
)
_SEP = r"[ \t.\-/]{0,2}"
_BEFORE = r"(?<![\w.+\-/])(?<!\d )"
_AFTER = r"(?![\w@%]|[.:/\-][\d])"
_PLUS = re.compile(
    rf"(?<![\w+])(?:\+[ ]?|\(\+|(?<!\d)00(?=[ \-/.(]?(?:{_CODES})[ \-/.(]))\(?[ \-/.]?(?P<code>{_CODES})\)?"
    rf"(?P<rest>{_SEP}\(0\))?(?P<number>(?:{_SEP}\(?\d\)?){{6,13}}){_AFTER}"
)
_NATIONAL = re.compile(
    rf"{_BEFORE}(?:"
    r"(?:1[ .\-])?(?:\([2-9]\d\d\)[ .\-]?|[2-9]\d\d(?P<s>[ .\-]))\d{3}(?(s)(?P=s)|[ .\-])\d{4}"  # NANP
    r"|0[1-9](?:(?P<p>[ .\-])\d\d)(?:(?P=p)\d\d){3}"  # 01 23 45 67 89
    r"|\(0\d{1,5}\)[ \-/]?\d{2,8}(?:[ \-/]\d{2,8}){0,3}"  # (030) 123456
    r"|\(\d{2,3}\)[ \-/]?\d{3,5}[ \-]\d{4}"  # (11) 91234-5678
    r"|0[1-9]\d{0,4}[ \-/]{1,3}\d{2,8}(?:[ \-]\d{2,5}){0,4}"  # 0151-23456789, 020 7946 0958
    r"|0[1-9]\d{1,4}\.\d{2,8}(?:\.\d{2,5}){1,4}"
    rf")(?:\s?(?:x|ext\.?)\s?\d{{1,5}})?{_AFTER}(?!\s?\d)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?<![^\W\d_])(?:phones?|telephone|tel|mobile|cell(?:phone)?|fax|telefax|whatsapp|msisdn|telefon|telefono|"
    r"teléfono|téléphone|telefone|celular|móvil|mobil|handy|rufnummer|telefoon|cellulare)"
    r"(?:[ _\-]?(?:no|num|nr|number|"
    r"nummer))?[\"'\\\]]{0,3}\s{0,2}(?P<mark>[:=#.]|is|>)?\s{0,2}[\"'\\\[(]{0,4}"
    r"(?P<number>[+(]?\d[\d ().\-/]{5,20}\d)(?![\w.])",
    re.IGNORECASE,
)
_HINT = re.compile(r"phon|tel|mobil|móvil|cel|fax|whatsapp|msisdn|téléphone|handy|rufnummer", re.IGNORECASE)
_WHOLE = re.compile(r"[+(]?\d(?:[ \t().\-/]{0,3}\d){6,14}(?:\s?(?:x|ext\.?)\s?\d{1,5})?(?:\.0+)?", re.IGNORECASE)


def phones(text: str) -> Iterator[tuple[int, int]]:
    for found in _PLUS.finditer(text):
        if _dialled(found):
            yield found.span()
    for found in _NATIONAL.finditer(text):
        if 9 <= _digits(re.split("[xe]", found.group(), flags=re.IGNORECASE)[0]) <= 12:
            yield found.span()
    for found in _LABEL.finditer(text) if _HINT.search(text) else ():
        least = 7 if found["mark"] else 8
        if least <= _digits(found["number"]) <= 15:
            yield found.span("number")


def named(text: str) -> Iterator[tuple[int, int]]:
    """Numbers in a text that a column or key named like `phone` holds."""
    for found in _WHOLE.finditer(text):
        if not any(sign.isalnum() for sign in text[: found.start()][-1:] + text[found.end() :][:1]):
            yield found.span()


def _dialled(found: re.Match[str]) -> bool:
    number = "".join(sign for sign in found["number"] if sign.isdigit())
    if found["code"] == "1":
        return len(number) == 10 and number[0] > "1"
    return 9 <= len(found["code"]) + len(number) <= 15


def _digits(text: str) -> int:
    return sum(sign.isdigit() for sign in text)
