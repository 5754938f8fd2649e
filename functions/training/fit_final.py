"""State `FitFinal` of `training`: the best point fitted again on all but the holdout, and exported.

Called after SelectBest. Writes `final/` of the run: the model in two forms, its reference profile, and
`final.json`.
"""

import os
from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import left_of, log_of, logger, now
from tidemill.training.fit_final import fit_final, fit_shard
from tidemill.training.threads import limited
from tidemill.training.worker import Worker


class Event(BaseModel, frozen=True):
    """With `shard`: grow that one of `of` shards of a forest, and no more."""

    project: str
    run_id: str
    shard: int | None = None
    of: int = 1


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    request = Event.model_validate(event)
    with limited(os.environ):
        if request.shard is not None:
            ids = {"project": request.project, "run_id": request.run_id}
            return fit_shard(**ids, shard=request.shard, of=request.of, objects=wiring.objects())
        return fit_final(
            project=request.project,
            run_id=request.run_id,
            worker=Worker(int(context.memory_limit_in_mb), log_of(context), left=left_of(context)),
            objects=wiring.objects(),
            clock=now,
        )
