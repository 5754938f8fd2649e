"""The log of a Lambda function: one stream per execution environment, delivered to subscribers in batches.

MiniStack makes a new log stream for every invocation, and starts a thread for every delivery, so that a hundred
requests start a hundred workers of the subscriber at once. Here an environment keeps its stream, and each
subscription filter has one deliverer that collects what comes within a moment and invokes the subscriber once
for it, three times at most when it fails, as CloudWatch Logs does
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#LambdaFunctionExample).

Differs from CloudWatch Logs: retries end after three attempts instead of a day; only Lambda destinations are
delivered.
"""

import base64
import contextlib
import contextvars
import gzip
import json
import logging
import queue
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs, lambda_svc

from local.extensions.service_permissions import service_may_invoke

Event = dict[str, Any]

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.3
MAX_BATCH_BYTES = 1_000_000
ATTEMPTS = 3
STOP_SECONDS = 10.0


@dataclass
class Deliverer:
    """Delivers the matching events of one subscription filter, batch after batch, in a thread of its own."""

    group: str
    filter: str
    destination: str
    account: str
    events: "queue.Queue[tuple[str, Event] | None]" = field(default_factory=queue.Queue)

    def start(self) -> threading.Thread:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._run,), daemon=True, name=f"logs-{self.group}")
        thread.start()
        return thread

    def _run(self) -> None:
        """Until None comes."""
        while True:
            batch, last = self._gather()
            for stream, events in by_stream(batch):
                self._deliver(stream, events)
            if last:
                return

    def _gather(self) -> tuple[list[tuple[str, Event]], bool]:
        """What comes within a moment of the first event, and whether it was the end."""
        first = self.events.get()
        if first is None:
            return [], True
        batch, size, deadline = [first], len(first[1]["message"]), time.monotonic() + GATHER_SECONDS
        with contextlib.suppress(queue.Empty):
            while size < MAX_BATCH_BYTES:
                following = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
                if following is None:
                    return batch, True
                batch.append(following)
                size += len(following[1]["message"])
        return batch, False

    def _deliver(self, stream: str, events: list[Event]) -> None:
        payload = {
            "messageType": "DATA_MESSAGE",
            "owner": self.account,
            "logGroup": self.group,
            "logStream": stream,
            "subscriptionFilters": [self.filter],
            "logEvents": [
                {"id": uuid.uuid4().hex, "timestamp": event["timestamp"], "message": event["message"]}
                for event in events
            ],
        }
        data = base64.b64encode(gzip.compress(json.dumps(payload).encode())).decode()
        source = f"arn:aws:logs:{get_region()}:{self.account}:log-group:{self.group}:*"
        if not service_may_invoke("logs.amazonaws.com", source, self.destination):
            return
        for attempt in range(ATTEMPTS):
            time.sleep(attempt)
            record, config, name = lambda_svc._get_func_record_for_ref(self.destination)
            if record is None or config is None:
                logger.warning("subscription filter %s: the function %s does not exist", self.filter, name)
                return
            target = lambda_svc._execution_record_for_config(record, config)
            result = lambda_svc._execute_function_with_config_scope(target, {"awslogs": {"data": data}})
            if not result.get("error") and not result.get("throttle"):
                return
        logger.error(
            "subscription filter %s: %d events of %s were not taken", self.filter, len(events), self.group
        )


def by_stream(batch: list[tuple[str, Event]]) -> Iterator[tuple[str, list[Event]]]:
    """The events of each log stream, in their order: a delivery names one stream."""
    streams: dict[str, list[Event]] = defaultdict(list)
    for stream, event in batch:
        streams[stream].append(event)
    yield from streams.items()


class Deliveries:
    """The deliverers of all subscription filters."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, ...], tuple[Deliverer, threading.Thread]] = {}
        self._lock = threading.Lock()

    def forward(self, group: str, stream: str, events: list[Event]) -> None:
        """Hand the matching events to the deliverers of the group's subscription filters."""
        filters = (cloudwatch_logs._log_groups.get(group) or {}).get("subscriptionFilters") or {}
        for subscription in list(filters.values()):
            destination = subscription.get("destinationArn", "")
            # A filter on the subscriber's own log would feed itself for ever.
            if ":function:" not in destination or group == f"/aws/lambda/{destination.split(':')[6]}":
                continue
            pattern = subscription.get("filterPattern", "")
            for event in events:
                if cloudwatch_logs._subscription_pattern_matches(pattern, event["message"]):
                    self._deliverer(group, subscription["filterName"], destination).events.put((stream, event))

    def _deliverer(self, group: str, name: str, destination: str) -> Deliverer:
        key = (get_account_id(), get_region(), group, name, destination)
        with self._lock:
            if key not in self._running:
                deliverer = Deliverer(group=group, filter=name, destination=destination, account=key[0])
                self._running[key] = (deliverer, deliverer.start())
            return self._running[key][0]

    def stop(self) -> None:
        """Deliver what has come, then end."""
        with self._lock:
            running = list(self._running.values())
            self._running.clear()
        for deliverer, _ in running:
            deliverer.events.put(None)
        deadline = time.monotonic() + STOP_SECONDS
        for _, thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))


def write(
    record: Event, request_id: str, text: str, error: bool, milliseconds: int, *, log_source: str | None
) -> None:
    """Write an invocation's log to its environment's stream, framed by the platform's lines.

    `log_source` is the stream's name, from `python_runtime`.
    """
    config = record.get("config") or record
    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    stream = log_source or f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{config['Version']}]{uuid.uuid4().hex}"
    now = int(time.time() * 1000)
    took = f"Duration: {milliseconds} ms\tBilled Duration: {milliseconds} ms"
    memory = f"Memory Size: {config.get('MemorySize', 128)} MB"
    lines = [
        f"START RequestId: {request_id} Version: {config.get('Version', '$LATEST')}",
        *text.splitlines(),
        f"END RequestId: {request_id}",
        f"REPORT RequestId: {request_id}\t{took}\t{memory}",
    ]
    if group not in cloudwatch_logs._log_groups:
        cloudwatch_logs._create_log_group({"logGroupName": group})
    streams = cloudwatch_logs._log_groups[group]["streams"]
    if stream not in streams:
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    events = [{"timestamp": now, "message": line, "ingestionTime": now} for line in lines]
    cloudwatch_logs._append_log_events(streams[stream], events)
    cloudwatch_logs._fanout_to_subscription_filters(group, stream, events)


def install() -> Deliveries:
    deliveries = Deliveries()
    lambda_svc._emit_lambda_logs = write
    cloudwatch_logs._fanout_to_subscription_filters = deliveries.forward
    return deliveries
