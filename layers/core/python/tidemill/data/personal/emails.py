"""Mail addresses in normal text. `texts` calls `emails`; nothing is written.

RFC 5321 section 4.1.2 and RFC 6531 (international), less the signs that nobody's address has but every URL: / = ?
& | { }. Quoted local parts, address literals and the spelled-out (at) are in.
"""

import re
from collections.abc import Iterator

_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_TOP = r"(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})"
_DOT = r"(?:\.|\s?[\[({]\s?(?:dot|punkt|punto|point)\s?[\])}]\s?)"
_DOMAIN = rf"(?:(?:{_LABEL}{_DOT}){{1,8}}{_TOP}(?![\w@])|\[(?:IPv6:[0-9a-f:.]+|\d{{1,3}}(?:\.\d{{1,3}}){{3}})\])"
_LOCAL = r"(?!\.)[\w.!#$%'*+^~`-]{1,64}"
_EMAIL = re.compile(
    rf"(?:\"[^\"\n]{{1,64}}\"|\\\"[^\"\n]{{1,64}}\\\"|{_LOCAL})@{_DOMAIN}"
    rf"|{_LOCAL}\s?[\[({{]\s?(?:at|@|ät)\s?[\])}}]\s?{_DOMAIN}"
    rf"|[\w+-]{{1,40}}[._][\w.+-]{{1,40}}\s@\s{_DOMAIN}",
    re.IGNORECASE,
)
# icon@2x.png, numpy@2.1.0.rc: the "domain" is a scale and a file's ending, or a version.
_NO_DOMAIN = re.compile(r"@(?:\d+(?:\.\d+)?x\.[a-z]+$|v?\d+\.\d+)", re.IGNORECASE)
MARKS = re.compile(r"@|[\[({]\s?(?:at|ät)\s?[\])}]", re.IGNORECASE)


def emails(text: str) -> Iterator[tuple[int, int]]:
    if not MARKS.search(text):
        return
    for found in _EMAIL.finditer(text):
        if not _NO_DOMAIN.search(found.group()):
            quoted = len(found.group()) - len(found.group().lstrip("'`")) if found.group()[0] in "'`" else 0
            yield found.start() + quoted, found.end()
