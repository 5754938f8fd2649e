"""Function `deliver_capture`: log events of the endpoints, by subscription, to captured predictions on S3.

Called by CloudWatch Logs, at least once per batch of events. Writes objects under `captured/`.
"""

import base64
import gzip
import json
from typing import Any

from tidemill.adapters import wiring
from tidemill.observability import logger
from tidemill.serving.deliver_capture import deliver_capture, messages


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    payload = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    counts = deliver_capture(messages(payload), objects=wiring.objects())
    if counts["corrupt"]:
        logger.warning("capture lines that are not as the contract says were skipped", extra=counts)
    return counts
