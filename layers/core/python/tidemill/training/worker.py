"""Who fits a model: a function or a machine of SageMaker, and what its time comes to in a fact."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

SHARE = 0.6
"""The part of a worker's time that a fit in one go is planned to take at most."""


def memory_mb() -> int:
    """The memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


@dataclass(frozen=True)
class Worker:
    """`log` says where its lines are (`observability.log_of`, for a function); `instance` is the type of a machine
    of SageMaker, None for a function."""

    memory_mb: int
    log: Mapping[str, str] | None = None
    instance: str | None = None
    left: Callable[[], timedelta] | None = None
    """The time until it is stopped; None if it is not."""

    def spent(self, begun: datetime, seconds: float) -> dict[str, Any]:
        """`started_at`, `seconds`, `memory_mb`, `gb_seconds`, and, if known, `log` and `instance`."""
        return {
            "started_at": begun.isoformat(),
            "seconds": seconds,
            "memory_mb": self.memory_mb,
            "gb_seconds": seconds * self.memory_mb / 1024,
            **({"log": dict(self.log)} if self.log else {}),
            **({"instance": self.instance} if self.instance else {}),
        }
