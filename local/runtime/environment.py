"""The parent side of a Python execution environment: starts the child, hands it invocations, collects its log.

Used by `local.extensions.python_runtime`. Writes unpacked code and layers below the temporary directory.
"""

import contextlib
import hashlib
import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from local.runtime.bootstrap import LOG_MARK

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
ROOT = BOOTSTRAP.parents[2]
# The checkout is on the server's path; a function must get the library from its layer, as on AWS.
HIDDEN = [str(ROOT), str(ROOT / "layers" / "core" / "python")]
LOG_SECONDS = 1.0
CHUNK = 1 << 16


@dataclass(frozen=True)
class Outcome:
    """The result as JSON text, or Lambda's error report; `alive` tells whether the child still is."""

    result: str | None
    error: dict[str, Any] | None
    alive: bool


class Child:
    """A running bootstrap process.

    `variables` is its whole environment; `code` and `layers` are folders, layers in the function's order.
    """

    def __init__(self, *, handler: str, code: str, layers: list[str], variables: dict[str, str]) -> None:
        self.variables = variables
        reader, writer = os.pipe()
        self._log: queue.Queue[str | None] = queue.Queue()
        self._responses = os.fdopen(reader, "rb", buffering=0)
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(BOOTSTRAP), str(writer)],
            cwd=code, env=variables, pass_fds=[writer], text=True, errors="replace",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        os.close(writer)
        threading.Thread(target=collect, args=(self.process.stdout, self._log), daemon=True).start()
        self._start = {"handler": handler, "code": code, "layers": layers, "hidden": HIDDEN}

    def load(self, seconds: float) -> Outcome:
        """Import the handler. An error means that the child has ended."""
        outcome = self._exchange(self._start, seconds, request_id="")
        if outcome.error is not None:
            self.kill()
        return outcome

    def invoke(self, invocation: dict[str, Any], seconds: float) -> Outcome:
        """Run the handler once."""
        return self._exchange(invocation, seconds, request_id=invocation["request_id"])

    def log(self) -> str:
        """The lines written since the last call, complete up to the end of the invocation or of the child."""
        lines = []
        with contextlib.suppress(queue.Empty):
            while (line := self._log.get(timeout=LOG_SECONDS)) is not None:
                lines.append(line)
        return "\n".join(lines)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._responses.close()

    def _exchange(self, message: dict[str, Any], seconds: float, *, request_id: str) -> Outcome:
        """Send a line, wait for the answer. A child that is too late is killed; Lambda's report says so."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
            line = read_line(self._responses, time.monotonic() + seconds)
        except BrokenPipeError:
            line = b""
        if line:
            answer = json.loads(line)
            return Outcome(result=answer.get("result"), error=answer.get("error"), alive=True)
        if line is None:
            self.kill()
            return lost("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds", request_id)
        code = self.process.wait()
        self._responses.close()
        status = f"exit status {code}" if code >= 0 else f"signal: {-code}"
        return lost("Runtime.ExitError", f"Runtime exited with error: {status}", request_id)


def lost(kind: str, message: str, request_id: str) -> Outcome:
    """The report of an environment that is no more."""
    error = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    return Outcome(result=None, error=error, alive=False)


def read_line(pipe: IO[bytes], deadline: float) -> bytes | None:
    """One line; empty when the other side closed, None when the deadline passed first."""
    line = bytearray()
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        chunk = pipe.read(CHUNK)
        if not chunk:
            return b""
        line += chunk
    return bytes(line)


def collect(stream: IO[str], log: "queue.Queue[str | None]") -> None:
    """Put the child's log lines into the queue, and None at the end of each invocation and of the child."""
    with stream:
        for line in stream:
            text = line.removesuffix("\n")
            if not text.endswith(LOG_MARK):
                log.put(text)
                continue
            if text != LOG_MARK:
                log.put(text.removesuffix(LOG_MARK))
            log.put(None)
    log.put(None)


def unpack(archive: bytes) -> str:
    """Folder with the archive's files, unpacked once per content."""
    folder = Path(tempfile.gettempdir()) / "lambda" / hashlib.sha256(archive).hexdigest()[:32]
    if folder.exists():
        return str(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        packed = Path(work, "archive.zip")
        packed.write_bytes(archive)
        with zipfile.ZipFile(packed) as files:
            files.extractall(Path(work, "files"))
        # Another environment of the same function may have been faster; its folder is as good.
        with contextlib.suppress(OSError):
            Path(work, "files").rename(folder)
    return str(folder)
