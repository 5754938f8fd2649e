"""The child side of a Python execution environment: imports the handler once, then answers invocations until
its end.

Run by `local.extensions.python_runtime` as `python -P bootstrap.py <response fd>`; uses nothing but the
standard library. Requests come as JSON lines on standard input, the first one says which handler. Answers go as
JSON lines to the response descriptor, so that standard output and standard error belong to the function's log
alone. After each answer a mark is written to the log, by which the parent knows that the invocation's log is
complete.

Error types and messages are those of the AWS Lambda Python runtime
(https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html).
"""

import decimal
import importlib
import json
import logging
import os
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

LOG_MARK = "\x1eend of invocation"


class Fault(Exception):
    """The handler could not be loaded; `kind` is the error type to report."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace or []


def load(handler: str) -> Any:
    """The handler function. Raises Fault, or whatever the module raises at its import."""
    module_name, dot, function_name = handler.rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{handler}': it must be module.function")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        place = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [place]
        ) from error
    try:
        return getattr(module, function_name)
    except AttributeError as error:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from error


def search_path(code: str, layers: list[str]) -> list[str]:
    """The function's places for modules, in Lambda's order: the code, then the layers, a later one first."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = [code]
    for layer in reversed(layers):
        folders += [f"{layer}/python/lib/{version}/site-packages", f"{layer}/python", layer]
    return [folder for folder in folders if Path(folder).is_dir()]


def context_of(invocation: dict[str, Any]) -> SimpleNamespace:
    """The context object (https://docs.aws.amazon.com/lambda/latest/dg/python-context.html)."""
    deadline = time.monotonic() + invocation["timeout_seconds"]
    return SimpleNamespace(
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        invoked_function_arn=invocation["invoked_function_arn"],
        aws_request_id=invocation["request_id"],
        log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
        identity=None,
        client_context=None,
        get_remaining_time_in_millis=lambda: max(0, int((deadline - time.monotonic()) * 1000)),
    )


def invoke(handler: Any, invocation: dict[str, Any]) -> dict[str, Any]:
    """Run the handler once: its result as JSON text, or the error as Lambda reports it."""
    if invocation["trace_id"]:
        os.environ["_X_AMZN_TRACE_ID"] = invocation["trace_id"]
    try:
        result = handler(invocation["event"], context_of(invocation))
    except Exception as error:  # noqa: BLE001 (whatever the function raises is its answer)
        return failure(type(error).__name__, str(error), frames(error.__traceback__), invocation["request_id"])
    try:
        return {"result": json.dumps(result, default=plain)}
    except (TypeError, ValueError) as error:
        message = f"Unable to marshal response: {error}"
        return failure("Runtime.MarshalError", message, [], invocation["request_id"])


def plain(value: object) -> float:
    """What JSON has no type for: only a decimal number is converted."""
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def frames(trace: TracebackType | None) -> list[str]:
    """The function's own frames, without this file's."""
    return traceback.format_list(traceback.extract_tb(trace)[1:])


def failure(kind: str, message: str, trace: list[str], request_id: str) -> dict[str, Any]:
    """An error answer. It is also written to the log, as Lambda does."""
    lines = [f"[ERROR] {kind}: {message}", *(["Traceback (most recent call last):"] if trace else [])]
    print("\n".join(lines + [line.rstrip("\n") for line in trace]))  # noqa: T201
    body = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}
    return {"error": body}


def answer(channel: int, response: dict[str, Any]) -> None:
    """Close the log of this invocation, then answer. What is printed at import belongs to the first invocation."""
    sys.stdout.flush()
    sys.stderr.flush()
    if "ready" not in response:
        os.write(1, f"{LOG_MARK}\n".encode())
    data = memoryview(json.dumps(response).encode() + b"\n")
    while data:
        data = data[os.write(channel, data) :]


def prepare(start: dict[str, Any]) -> Any:
    """Set the module search path, then load the handler."""
    hidden = set(start["hidden"])
    sys.path[:] = search_path(start["code"], start["layers"]) + [path for path in sys.path if path not in hidden]
    sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in repr(finder)]
    return load(start["handler"])


def main() -> None:
    channel = int(sys.argv[1])
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    logging.basicConfig(
        format="[%(levelname)s]\t%(asctime)s\t%(message)s", level=logging.WARNING, stream=sys.stdout
    )
    try:
        handler = prepare(json.loads(sys.stdin.readline()))
    except Fault as fault:
        answer(channel, failure(fault.kind, str(fault), fault.trace, ""))
        return
    except Exception as error:  # noqa: BLE001 (a module may raise anything at its import)
        answer(channel, failure(type(error).__name__, str(error), frames(error.__traceback__), ""))
        return
    answer(channel, {"ready": True})
    for line in sys.stdin:
        answer(channel, invoke(handler, json.loads(line)))


if __name__ == "__main__":
    main()
