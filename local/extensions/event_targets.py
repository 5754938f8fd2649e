"""EventBridge invokes Lambda functions asynchronously: two retries, then the function's dead-letter queue.

MiniStack tries once and drops the event when the function fails
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
"""

import json
import logging

from ministack.services import eventbridge, lambda_svc

logger = logging.getLogger(__name__)


def invoke(function: str, payload: str) -> None:
    """Invoke the target of a rule with the event, or with what its input transformer made of it."""
    record, config, name = lambda_svc._get_func_record_for_ref(function)
    if record is None or config is None:
        logger.warning("rule target %s: the function %s does not exist", function, name)
        return
    lambda_svc.invoke_async_with_retry(
        lambda_svc._execution_record_for_config(record, config), json.loads(payload)
    )


def install() -> None:
    eventbridge._dispatch_to_lambda = invoke
