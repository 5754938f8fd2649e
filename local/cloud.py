"""Start, stop and ask the embedded cloud: `Cloud(state_dir, port)`. Used by the CLI and the tests.

The server is its own process group, logs to `server.log` and notes its pid in `server.json`, both in the state
directory, which also holds everything the cloud stores.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.server import ACCOUNT, CREDENTIAL, HOST, REGION

ROOT = Path(__file__).resolve().parent.parent
LOG_LINES = 15
START_SECONDS = 60.0
STOP_SECONDS = 30.0
KILL_SECONDS = 5.0
POLL_SECONDS = 0.05


class CloudError(Exception):
    """The embedded cloud did not do what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Status:
    """What `Cloud.status` finds: `iam` tells whether IAM is enforced, None when the cloud does not run."""

    running: bool
    pid: int | None
    endpoint: str
    iam: bool | None


class Cloud:
    """One embedded cloud, told from others by its state directory and port.

    `seed` fixes the draws between the versions of a weighted alias; without it they differ at each start.
    """

    def __init__(self, state_dir: Path, port: int = 4566, *, seed: int | None = None) -> None:
        self.state_dir = state_dir.resolve()
        self.port = port
        self.seed = seed
        self.endpoint = f"http://{HOST}:{port}"
        self.log = self.state_dir / "server.log"
        self._note = self.state_dir / "server.json"

    def start(self, *, seconds: float = START_SECONDS) -> Status:
        """Start the server unless it runs already, and wait until it answers.

        Raises CloudError when the port is taken, the server ends, or does not answer within `seconds`.
        """
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with self._alone():
            status = self.status()
            if status.running:
                return status
            if port_in_use(self.port):
                raise CloudError(
                    f"port {self.port} on {HOST} is in use by another program: stop it, or choose another port"
                )
            process = self._spawn()
            return self._wait_until_ready(process, time.monotonic() + seconds)

    def stop(self) -> bool:
        """Stop the server, let it save its state, and wait for its end. False when it did not run."""
        pid = self._running_pid()
        if pid is None:
            self._note.unlink(missing_ok=True)
            return False
        os.kill(pid, signal.SIGTERM)
        if not wait_for_end(pid, STOP_SECONDS):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            wait_for_end(pid, KILL_SECONDS)
            self._note.unlink(missing_ok=True)
            raise CloudError(
                f"the embedded cloud (pid {pid}) did not end within {STOP_SECONDS:.0f} s and was killed: "
                f"what it held in memory is lost, see {self.log}"
            )
        self._note.unlink(missing_ok=True)
        return True

    def status(self) -> Status:
        """Whether this cloud runs and answers."""
        pid = self._running_pid()
        answer = self._control("status") if pid is not None else None
        if answer is None or answer["pid"] != pid:
            return Status(running=False, pid=None, endpoint=self.endpoint, iam=None)
        return Status(running=True, pid=pid, endpoint=self.endpoint, iam=answer["iam"])

    def environment(self) -> dict[str, str]:
        """The environment variables with which AWS SDKs, the AWS CLI and the CDK CLI talk to this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": CREDENTIAL,
            "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
            "AWS_ACCOUNT_ID": ACCOUNT,
            "AWS_EC2_METADATA_DISABLED": "true",
            # Not the person's own: a profile there could name another endpoint or ask for a second factor.
            "AWS_CONFIG_FILE": str(self.state_dir / "no-aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.state_dir / "no-aws-credentials"),
            "CDK_DEFAULT_ACCOUNT": ACCOUNT,
            "CDK_DEFAULT_REGION": REGION,
        }

    def enforce_iam(self, on: bool) -> None:
        """Switch IAM enforcement, for requests and inside functions. Raises CloudError without a running cloud."""
        answer = self._control("iam", {"enforce": on})
        if answer is None or answer.get("iam") is not on:
            raise CloudError(
                f"IAM enforcement could not be switched: {self.endpoint} does not answer; start it first"
            )

    def log_tail(self, lines: int = LOG_LINES) -> str:
        """The last lines of the server's log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the state directory's lock, so that two starts at once end in one server."""
        with (self.state_dir / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "local.server",
            "--port",
            str(self.port),
            "--state-dir",
            str(self.state_dir),
        ]
        if self.seed is not None:
            command += ["--seed", str(self.seed)]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._note.write_text(json.dumps({"pid": process.pid, "port": self.port}))
        return process

    def _wait_until_ready(self, process: subprocess.Popen[bytes], deadline: float) -> Status:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                self._note.unlink(missing_ok=True)
                raise CloudError(
                    f"the embedded cloud ended at its start (exit {process.returncode}):\n{self.log_tail()}"
                )
            status = self.status()
            if status.running:
                return status
            time.sleep(POLL_SECONDS)
        self.stop()
        raise CloudError(f"the embedded cloud did not answer in time:\n{self.log_tail()}")

    def _running_pid(self) -> int | None:
        """The server's pid, or None. A pid that now belongs to another program does not count."""
        try:
            pid = int(json.loads(self._note.read_text())["pid"])
        except (FileNotFoundError, ValueError, KeyError):
            return None
        return pid if is_server(pid, self.state_dir) else None

    def _control(self, what: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The control endpoint's answer, or None when there is none."""
        request = urllib.request.Request(
            f"{self.endpoint}/_tidemill/{what}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as response:
                answer = json.loads(response.read())
        except (OSError, ValueError):
            return None
        return answer if isinstance(answer, dict) else None


def port_in_use(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def wait_for_end(pid: int, seconds: float) -> bool:
    """Whether the process ended within that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        # Reaps it when it is this process's own child; otherwise a zombie would look alive.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(POLL_SECONDS)
    return False


def is_server(pid: int, state_dir: Path) -> bool:
    """Whether the process is the server of this state directory."""
    listing = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists():
        command = listing.read_text().replace("\0", " ") if listing.exists() else ""
    else:
        ps = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        command = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
    return "local.server" in command and f"--state-dir {state_dir}" in command
