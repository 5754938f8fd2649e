"""Fits that take longer than a function may run: they are cut into slices, and each goes on where the last one
ended.

Growing in parts takes boosted trees several times as long, since each part bins the rows anew; so a fit is cut
only if it was begun before by a worker that did not come to its end, or if it is known to take longer than there
is time.

Trees grow in parts (`pipeline.STEPS`). After a part, the model so far is a checkpoint, if the last one is a while
ago or if time runs out; in the latter case `OutOfTime` ends the slice. Whoever comes next, after the slice ended
or was killed, goes on from the newest checkpoint, and the model is the same, bit by bit, as that of a fit in one
go. Checkpoints are facts of the run, and stay when the fit is done.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sklearn.pipeline import Pipeline

from tidemill import canonical
from tidemill.errors import RecordNotFound
from tidemill.ports import Clock, ObjectStore
from tidemill.training import artifacts
from tidemill.training.pipeline import Begun
from tidemill.training.worker import SHARE

EVERY = timedelta(seconds=60)
"""How much work may be lost when a slice is killed, beside the part of the fit that was under way."""
SPARE = 2.0
"""A further part is begun only if so many times the longest part so far fit into the time that is left."""
LEAST = timedelta(seconds=20)
"""What must be left in any case: to write the checkpoint."""


class OutOfTime(Exception):
    """The slice is over; the fit is not."""


@dataclass
class Slices:
    """The checkpoints of one fit, below `prefix`. `left` gives the time that the worker has left; None: any."""

    objects: ObjectStore
    prefix: str
    clock: Clock
    left: Callable[[], timedelta] | None = None
    again: bool = False
    """Whether a worker has begun the fit before."""
    spent: timedelta = timedelta()
    """The time of the slices before this one."""
    _slice: datetime = field(init=False)
    _last: datetime = field(init=False)
    _saved: datetime = field(init=False)
    _longest: timedelta = timedelta()

    def __post_init__(self) -> None:
        self._slice = self._last = self._saved = self.clock()

    def cut(self, expected: timedelta | None = None) -> bool:
        """Whether the fit is to be cut, `expected` being how long it takes as a whole."""
        if self.again or expected is None or self.left is None:
            return self.again
        return SHARE * self.left() < expected

    def begun(self) -> Begun | None:
        """The newest checkpoint; None if there is none. Raises ArtifactCorrupt."""
        keys = list(self.objects.keys(self.prefix))
        if not keys:
            return None
        try:
            told = json.loads(self.objects.get(keys[-1]))
            body = self.objects.get(f"{self._models}{told['sha256']}.skops")
        except RecordNotFound:
            return None
        self.spent = timedelta(seconds=told["seconds"])
        return Begun(told["step"], artifacts.load(body, told["sha256"]))

    @property
    def _models(self) -> str:
        return self.prefix.rstrip("/") + "-models/"

    def after(self, step: int, of: int, model: Pipeline) -> None:
        """To be called after each part of the fit. Raises OutOfTime."""
        now = self.clock()
        self._longest, self._last = max(self._longest, now - self._last), now
        if step == of:
            return
        over = self.left is not None and self.left() < max(SPARE * self._longest, LEAST)
        if over or now - self._saved >= EVERY:
            self._save(step, model, now)
        if over:
            raise OutOfTime(f"after part {step} of {of}")

    def _save(self, step: int, model: Pipeline, now: datetime) -> None:
        body = artifacts.save(model)
        sha256 = canonical.sha256(body)
        # The model first: a checkpoint that is there has its model.
        self.objects.put_new(f"{self._models}{sha256}.skops", body)
        told = {"step": step, "sha256": sha256, "seconds": self.seconds(now)}
        self.objects.put_new(
            f"{self.prefix}{step:03d}.json", canonical.dumps(told), content_type="application/json"
        )
        self._saved = now

    def seconds(self, now: datetime) -> float:
        """What the fit has taken by then, all slices together."""
        return (self.spent + (now - self._slice)).total_seconds()
