"""Which arm an entity is on: by a hash of its id, without anything to look up or to remember. The endpoint asks it
where a function version has both arms (serving/arms.py).

The salt is the experiment's (a release's id): another experiment mixes the entities anew, so that whoever was with
the challenger of one is not with the challenger of the next. Each arm has its own part of the circle from which it
grows, so that a larger weight only ever moves entities from the champion to that arm, and a smaller one back.
"""

import hashlib
from collections.abc import Sequence

_DIGITS = 13  # 52 bits, which a double holds exactly, so that no point is 1


def point(entity_id: str, salt: str) -> float:
    """An entity's place: uniform in [0, 1) over entities, and independent of it under another salt. By SHA-256
    of both, with the salt's length, so that no two pairs are the same text."""
    digest = hashlib.sha256(f"{len(salt)}:{salt}{entity_id}".encode()).hexdigest()
    return int(digest[:_DIGITS], 16) / 2.0 ** (4 * _DIGITS)


def arm(entity_id: str, salt: str, weights: Sequence[float]) -> int:
    """0 for the champion, else the number (from 1) of the challenger; `weights` are the challengers' shares.

    Of k challengers each may grow to 1/k. Raises ValueError for a weight beyond that.
    """
    most = 1 / len(weights) if weights else 1.0
    for weight in weights:
        if not 0 <= weight <= most:
            raise ValueError(f"weight {weight} of {len(weights)} challengers is not in [0, {most:.4g}]")
    if not weights:
        return 0
    slot, within = divmod(point(entity_id, salt) * len(weights), 1.0)
    number = int(slot)
    return number + 1 if within < weights[number] * len(weights) else 0
