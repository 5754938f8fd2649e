"""Python functions fail, log and live on as on Lambda.

MiniStack's worker reports every exception as `Runtime.HandlerError`, so that no `ErrorEquals` of a state
machine matches, ends the environment after a handled exception, guesses by time when an invocation's log is
complete, and unpacks all layers anew at each cold start. Here the report is the exception's class name, message
and stack trace (https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html), load errors are
`Runtime.*`, an environment outlives an exception, and code and layers are unpacked once.

Differs from Lambda: layers stay in folders of their own (there is no `/opt`), the server's third-party packages
are visible, memory is not limited. SnapStart and durable functions keep MiniStack's worker.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.extensions.invocation_room import Room
from local.runtime.environment import Child, Outcome, unpack

INIT_SECONDS = 10.0  # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
IDLE_SECONDS = 120.0  # a laptop has less memory than AWS, where it is some minutes
MEMORY_GIB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
KEPT = max(16, int(3 * MEMORY_GIB))  # environments, of 60 to 300 MB each: at most about half of the memory
MAX_RESPONSE_BYTES = 6_291_556
INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "LD_LIBRARY_PATH")
ROOM = Room()
Record = dict[str, Any]


class Environment(lambda_runtime.Worker):  # type: ignore[misc]
    """An execution environment of one Python function version, pooled and leased by MiniStack."""

    retired = False  # set when the credentials it was started with are no longer the right ones
    _child: Child | None = None
    _proc: subprocess.Popen[str] | None

    def run(self, invocation: Record) -> Record:
        """Run one invocation, as MiniStack's executors answer: `body`, `log`, `error` when it failed.

        `log_source` is the environment's log stream, for `function_logs`; `milliseconds` what the code took
        without its initialization, for `lambda_metrics`.
        """
        with self._lock:
            seconds = float(self.config.get("Timeout", 3))
            failed = self._ensure_loaded(INIT_SECONDS + seconds)
            child = self._child
            assert child is not None
            stream = child.variables["AWS_LAMBDA_LOG_STREAM_NAME"]
            began = time.monotonic()
            outcome = failed or child.invoke(invocation | {"timeout_seconds": seconds}, seconds)
            took = (time.monotonic() - began) * 1000
            log = child.log()
            if self.retired:
                child.kill()
            if self.retired or failed or not outcome.alive:
                self._child = self._proc = None
        found = answer(outcome, invocation["request_id"])
        return {**found, "log": log, "log_source": stream, "milliseconds": took}

    def _ensure_loaded(self, seconds: float) -> Outcome | None:
        """Start a child and load the handler, unless that was done. The outcome when it failed."""
        # MiniStack takes the process away when it recycles its workers.
        if self._child is not None and self._proc is not None and self._proc.poll() is None:
            return None
        code = unpack(self.code_zip)
        self._child = Child(
            handler=self.config["Handler"],
            code=code,
            layers=layers(self.config),
            variables=variables(self.config, code),
        )
        self._proc = self._child.process
        outcome = self._child.load(seconds)
        return outcome if outcome.error is not None else None


def answer(outcome: Outcome, request_id: str) -> Record:
    """The function's result, or its error report."""
    if outcome.error is not None:
        return {"body": {**outcome.error, "requestId": request_id}, "error": True}
    result = outcome.result or "null"
    if (size := len(result.encode())) <= MAX_RESPONSE_BYTES:
        return {"body": json.loads(result)}
    message = (
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
    )
    return {"body": {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}, "error": True}


def layers(config: Record) -> list[str]:
    """Folders of the function's layers, in the order of its configuration."""
    contents = (lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or [])
    return [unpack(content) for content in contents if content]


def variables(config: Record, code: str) -> dict[str, str]:
    """The environment of a function (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html)."""
    _, region = lambda_runtime._account_region_from_function_config(config)
    name, version = config["FunctionName"], config.get("Version", "$LATEST")
    stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{version}]{os.urandom(16).hex()}"
    defaults = {key: os.environ[key] for key in INHERITED if key in os.environ} | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        # Several functions share a laptop's cores.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TZ": ":UTC",
    }
    reserved = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "LAMBDA_TASK_ROOT": code,
        "_HANDLER": config["Handler"],
    }
    own = (config.get("Environment") or {}).get("Variables") or {}
    credentials: dict[str, str] = lambda_runtime.execution_credentials(config)
    return defaults | own | reserved | credentials


def ours(config: Record) -> bool:
    """Whether this module runs the function."""
    snapstart = (config.get("SnapStart") or {}).get("OptimizationStatus") == "On"
    durable = (config.get("DurableConfig") or {}).get("Enabled")
    return str(config.get("Runtime", "")).startswith("python") and not snapstart and not durable


def execute(record: Record, event: Any, request_id: str) -> Record:
    """Run one invocation of a Python function in a free environment, or in a new one."""
    config = record.get("config") or record
    with ROOM.place(config["FunctionName"]):
        return run_in_environment(config, record["code_zip"], event, request_id)


def run_in_environment(config: Record, code_zip: bytes, event: Any, request_id: str) -> Record:
    environment, came = lambda_runtime.acquire_worker(
        config["FunctionName"], config, code_zip, qualifier=config.get("Version", "$LATEST")
    )
    try:
        if came == "spawn":
            reap(kept=KEPT)
        result: Record = environment.run(
            {
                "event": event,
                "request_id": request_id,
                "trace_id": lambda_svc._xray_trace_id_for_invocation(config),
                "invoked_function_arn": config["FunctionArn"],
            }
        )
        return result
    finally:
        lambda_runtime.release_worker(environment)


def reap(*, idle_seconds: float = IDLE_SECONDS, kept: int | None = None) -> None:
    """End environments that have had nothing to do for so long, and those that have been idle longest where
    there are more than `kept`. MiniStack keeps one of each function for ever."""
    before = time.time() - idle_seconds
    with lambda_runtime._lock:
        everyone = [worker for pool in lambda_runtime._workers.values() for worker in pool]
        idle = sorted((worker for worker in everyone if not worker.in_use), key=lambda worker: worker.last_used)
        surplus = 0 if kept is None else max(0, len(everyone) - kept)
        doomed = idle[:surplus] + [worker for worker in idle[surplus:] if worker.last_used < before]
        for key, pool in list(lambda_runtime._workers.items()):
            lambda_runtime._workers[key] = [worker for worker in pool if worker not in doomed]
    lambda_runtime.kill_workers(doomed)


def install() -> None:
    """Run Python functions here instead of in MiniStack's worker."""
    others: Callable[[Record, Any, str], Record] = lambda_svc._execute_function_warm
    worker_class = lambda_runtime._worker_class_for

    def execute_function(record: Record, event: Any, request_id: str) -> Record:
        config = record.get("config") or record
        if not ours(config) or not record.get("code_zip"):
            return others(record, event, request_id)
        lambda_svc._ensure_reaper_thread()
        return execute(record, event, request_id)

    lambda_svc._execute_function_warm = execute_function
    lambda_runtime._worker_class_for = lambda config: Environment if ours(config) else worker_class(config)
