"""What a scan for personal data tells. The scanner writes findings, the checks of an upload read them.

A finding says where and what kind, never the value: it goes into reports, logs and quarantine notes.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["certain", "suspected"]
# `sure` needs no further evidence. `cell` (the digits or code are the whole cell) and `text` (they stand in longer
# text) might be an innocent number's chance, so that the whole column has to be looked at: see `chance`.
Where = Literal["sure", "cell", "text"]

KINDS = ("email", "phone", "card", "iban", "national_id", "column_name")
EVERY = "all"  # in exceptions: whatever kind


@dataclass(frozen=True)
class Finding:
    """Personal data at one place. `detail` names the scheme (`us_ssn`) or the vocabulary's subject (`surname`);
    `column` and `path` (inside nested values, `phones[].number`, JSON text included) are masked themselves;
    `row` is None for what lies in a name."""

    kind: str
    detail: str
    column: str
    path: str
    row: int | None
    severity: Severity


@dataclass(frozen=True, slots=True)
class Match:
    """A stretch [start, end) of a text that looks like `kind`. `structured`: prefix, date and the like fit;
    `valid`: the checksum agrees, too. `digest` tells look-alikes of one column apart."""

    kind: str
    detail: str
    start: int
    end: int
    where: Where = "sure"
    structured: bool = True
    valid: bool = True
    digest: int = 0
