"""Every move of the pointer, from the audit entries that were written in the same transactions: who answered which
share, and since when."""

from typing import Any

from tidemill import names
from tidemill.ports import Index


def moves(index: Index, project: str) -> list[dict[str, Any]]:
    """The moves of the project's pointer, by epoch: `epoch`, `at`, `by`, `action`, `release_id`, `reason`,
    `champion`, `challenger` and `weight` from then on. Entries from before they told this are not among them."""
    rows = index.query(names.pk(project), names.AUDIT)
    told = [_move(row) for row in rows if row["action"].startswith("release.") and "epoch" in row["details"]]
    return sorted(told, key=lambda move: int(move["epoch"]))


def at(found: list[dict[str, Any]], moment: str) -> dict[str, Any] | None:
    """The move that held at that time (ISO, UTC); None before the first one that is known."""
    before = [move for move in found if move["at"] <= moment]
    return before[-1] if before else None


def _move(row: dict[str, Any]) -> dict[str, Any]:
    details = row["details"]
    return {
        "epoch": details["epoch"],
        "at": row["at"],
        "by": row["by"],
        "action": row["action"].removeprefix("release."),
        "release_id": row["subject"].removeprefix("release "),
        "reason": details.get("reason"),
        **{name: details[name] for name in ("champion", "challenger", "weight")},
    }
