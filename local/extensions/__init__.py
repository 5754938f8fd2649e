"""What MiniStack 1.5.33 lacks and Tidemill needs, each in its own module. See
docs/decisions/0001-embedded-cloud.md.

Each module replaces functions of MiniStack by their module-global names, so the version is checked: another one
may have changed underneath.
"""

import logging
import random
import threading
from importlib.metadata import version

from local.extensions import (
    alarm_actions,
    alarm_evaluation,
    alarm_resources,
    alias_weights,
    composite_alarms,
    embedded_metrics,
    event_targets,
    function_logs,
    http_api,
    invocation_room,
    lambda_actions,
    lambda_metrics,
    object_events,
    object_ranges,
    python_runtime,
    sagemaker,
    service_permissions,
    task_tokens,
)

MINISTACK = "1.5.33"

logger = logging.getLogger(__name__)


class Background:
    """What runs beside the requests: alarms, the end of idle environments, and the deliveries of log events."""

    def __init__(self, deliveries: function_logs.Deliveries) -> None:
        self._deliveries = deliveries
        self._end = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="background").start()

    def _run(self) -> None:
        while not self._end.wait(alarm_evaluation.LOOK_SECONDS):
            try:
                alarm_evaluation.look()
                python_runtime.reap()
            except Exception:  # the next look must come, whatever this one met
                logger.exception("the alarms could not be evaluated")

    def stop(self) -> None:
        """End the jobs, deliver what waits, and end. To be called while functions can still reach the server."""
        self._end.set()
        sagemaker.stop()
        self._deliveries.stop()


def install(*, rng: random.Random) -> Background:
    """Install all extensions, once per process. `rng` draws between the versions of weighted aliases."""
    found = version("ministack")
    if found != MINISTACK:
        raise RuntimeError(f"the extensions are made for MiniStack {MINISTACK}, but {found} is installed")
    python_runtime.install()
    invocation_room.install()
    alias_weights.install(rng=rng)
    deliveries = function_logs.install()
    embedded_metrics.install()
    alarm_evaluation.install()
    alarm_actions.install()
    composite_alarms.install()
    event_targets.install()
    object_events.install()
    object_ranges.install()
    http_api.install()
    lambda_actions.install()
    alarm_resources.install()
    lambda_metrics.install()
    service_permissions.install()
    task_tokens.install()
    sagemaker.install()
    return Background(deliveries)
