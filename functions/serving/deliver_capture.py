"""Function `deliver_capture`: log events of the endpoints, by subscription, to captured predictions on S3.

Called by CloudWatch Logs, at least once per batch of events. Writes objects under `captured/`, and what
is none under `quarantine/`.
"""

import base64
import gzip
import json
from typing import Any

from tidemill.adapters import wiring
from tidemill.observability import logger
from tidemill.serving import intake
from tidemill.serving.deliver_capture import deliver_capture, messages
from tidemill.settings import settings


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    payload = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    source = intake.project_of_logs(settings().stage, payload.get("logGroup", ""))
    counts = deliver_capture(messages(payload), objects=wiring.objects(), source=source)
    if counts["corrupt"]:
        logger.warning("capture lines that are not as the contract says are in quarantine", extra=counts)
    return counts
