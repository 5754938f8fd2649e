"""The control endpoint of the embedded cloud, in front of MiniStack: `/_tidemill/…`.

`GET /_tidemill/status` answers `{"pid", "iam", "version"}`; `POST /_tidemill/iam` with `{"enforce": bool}`
switches IAM enforcement; `POST /_tidemill/sagemaker/interrupt` with `{"training_job": name}` takes back the
capacity of a spot training job. Served by `local.server`, called by `local.cloud.Cloud`. Keeps the switch in the
file `iam.json` of the state directory, so that it survives a restart.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from ministack import app as ministack
from ministack.core import lambda_runtime

from local.extensions.sagemaker import training

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

PREFIX = "/_tidemill/"
MAX_BODY_BYTES = 1024


def application(state_dir: Path) -> Application:
    """MiniStack's ASGI application with the control endpoint in front of it."""
    switch = state_dir / "iam.json"
    ministack.AUTH = switch.exists() and json.loads(switch.read_text())["enforce"] is True

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await ministack.app(scope, receive, send)
            return
        status, answer = await respond(scope, receive, switch)
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    return app


async def respond(scope: Message, receive: Receive, switch: Path) -> tuple[int, dict[str, Any]]:
    """Status and JSON answer of a control request."""
    match scope["method"], scope["path"].removeprefix(PREFIX):
        case "GET", "status":
            return 200, {"pid": os.getpid(), "iam": ministack.AUTH, "version": ministack._version()}
        case "POST", "iam":
            # A web page in a browser cannot send this content type to another origin without being asked first.
            if dict(scope["headers"]).get(b"content-type") != b"application/json":
                return 415, {"error": "the body must be application/json"}
            enforce = parse_switch(await read(receive))
            if enforce is None:
                return 400, {"error": 'the body must be {"enforce": true} or {"enforce": false}'}
            await asyncio.to_thread(enforce_iam, enforce, switch)
            return 200, {"iam": enforce}
        case "POST", "sagemaker/interrupt":
            if dict(scope["headers"]).get(b"content-type") != b"application/json":
                return 415, {"error": "the body must be application/json"}
            name = parse_job(await read(receive))
            if name is None:
                return 400, {"error": 'the body must be {"training_job": "<name>"}'}
            if not training.interrupt(name):
                return 404, {"error": f"{name!r} is not a spot training job that trains"}
            return 200, {"interrupted": name}
    return 404, {"error": f"no such control: {scope['method']} {scope['path']}"}


async def read(receive: Receive) -> bytes:
    """The request's body, or as much of it as is looked at."""
    body = b""
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def parse_switch(body: bytes) -> bool | None:
    """The wished state, or None when the body does not say one."""
    try:
        wish = json.loads(body)
    except ValueError:
        return None
    enforce = wish.get("enforce") if isinstance(wish, dict) else None
    return enforce if isinstance(enforce, bool) else None


def parse_job(body: bytes) -> str | None:
    """The job's name, or None when the body does not give one."""
    try:
        wish = json.loads(body)
    except ValueError:
        return None
    name = wish.get("training_job") if isinstance(wish, dict) else None
    return name if isinstance(name, str) else None


def enforce_iam(enforce: bool, switch: Path) -> None:
    """Switch enforcement. Warm environments hold credentials of the other mode, so they are replaced."""
    switch.write_text(json.dumps({"enforce": enforce}))
    ministack.AUTH = enforce
    retire_workers()


def retire_workers() -> None:
    """End the execution environments of Lambda functions: idle ones now, busy ones after their invocation."""
    with lambda_runtime._lock:
        workers = [worker for pool in lambda_runtime._workers.values() for worker in pool]
        lambda_runtime._workers.clear()
        idle = [worker for worker in workers if not worker.in_use]
        for worker in workers:
            worker.retired = True
    lambda_runtime.kill_workers(idle)


def stop_workers() -> None:
    """End all execution environments of Lambda functions."""
    lambda_runtime.reset()
