"""One host of a training job: its `/opt/ml` in a folder of its own, its process, its environment.

Layout and variables:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html,
https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md. Several jobs share this
machine, so `/opt/ml` is the folder that `SAGEMAKER_BASE_DIR` names, the variable by which the toolkit finds it
too; and hosts have no names that resolve, nor ports of their own, so `TIDEMILL_HOST_ADDRESSES` gives the address
of each, with a port that nobody has (JSON: host → `address:port`).
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local.extensions.python_runtime import INHERITED
from local.extensions.sagemaker.images import Program
from local.runtime.environment import HIDDEN

Json = dict[str, Any]
Line = Callable[[str, str], None]  # (host, line)

CHILD = Path(__file__).resolve().parents[2] / "runtime" / "training.py"
POLL_SECONDS = 0.02


class Host:
    """A host with the name `algo-<n>`. `root` becomes its `/opt/ml`."""

    def __init__(
        self, job: Json, *, name: str, hosts: list[str], root: Path, addresses: Mapping[str, str] | None = None
    ) -> None:
        self.job = job
        self.name = name
        self.hosts = hosts
        self.root = root
        self.addresses = addresses or {}
        self.channels = {channel["ChannelName"]: channel for channel in job.get("InputDataConfig") or []}
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        for folder in ("input/config", "input/data", "model", "output/data", "code", "checkpoints"):
            (root / folder).mkdir(parents=True, exist_ok=True)

    def path(self, inside: str) -> Path:
        """Where a path of the container, such as `/opt/ml/checkpoints`, lies."""
        return self.root / Path(inside).relative_to("/opt/ml")

    def configure(self) -> None:
        """Write `input/config/`."""
        described = {
            name: {
                "TrainingInputMode": channel.get("InputMode", "File"),
                "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                    "S3DataDistributionType", "FullyReplicated"
                ),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
                **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            }
            for name, channel in self.channels.items()
        }
        kind = self.job["ResourceConfig"].get("InstanceType", "")
        group = {"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": self.hosts}
        resources = {
            "current_host": self.name,
            "current_instance_type": kind,
            "current_group_name": "homogeneousCluster",
            "hosts": self.hosts,
            "instance_groups": [group],
            "network_interface_name": "lo",
        }
        self._write("hyperparameters.json", self.job.get("HyperParameters") or {})
        self._write("inputdataconfig.json", described)
        self._write("resourceconfig.json", resources)

    def _write(self, name: str, content: Json) -> None:
        (self.root / "input" / "config" / name).write_text(json.dumps(content))

    def variables(self, credentials: Mapping[str, str], region: str) -> dict[str, str]:
        """The whole environment of the process."""
        hyperparameters = {name: parsed(text) for name, text in (self.job.get("HyperParameters") or {}).items()}
        data = self.root / "input" / "data"
        return {
            **{key: os.environ[key] for key in INHERITED if key in os.environ},
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
            "OMP_NUM_THREADS": "1",  # several processes share a laptop's cores
            "OPENBLAS_NUM_THREADS": "1",
            **(self.job.get("Environment") or {}),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            **credentials,
            "TRAINING_JOB_NAME": self.job["TrainingJobName"],
            "TRAINING_JOB_ARN": self.job["TrainingJobArn"],
            "SAGEMAKER_BASE_DIR": str(self.root),
            "TIDEMILL_HOST_ADDRESSES": json.dumps(self.addresses),
            "SM_HPS": json.dumps(hyperparameters),
            **{f"SM_HP_{name.upper().replace('-', '_')}": str(value) for name, value in hyperparameters.items()},
            "SM_HOSTS": json.dumps(self.hosts),
            "SM_CURRENT_HOST": self.name,
            "SM_NETWORK_INTERFACE_NAME": "lo",
            "SM_NUM_GPUS": "0",
            "SM_NUM_CPUS": "1",
            "SM_CHANNELS": json.dumps(sorted(self.channels)),
            **{f"SM_CHANNEL_{name.upper().replace('-', '_')}": str(data / name) for name in self.channels},
            "SM_INPUT_DIR": str(self.root / "input"),
            "SM_INPUT_CONFIG_DIR": str(self.root / "input" / "config"),
            "SM_MODEL_DIR": str(self.root / "model"),
            "SM_OUTPUT_DIR": str(self.root / "output"),
            "SM_OUTPUT_DATA_DIR": str(self.root / "output" / "data"),
        }

    def start(self, program: Program, variables: dict[str, str], line: Line) -> None:
        """Start the process; each line it prints is handed on."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(CHILD)],
            cwd=self.root, env=variables, text=True, errors="replace", start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        start = {
            "module": program.module, "arguments": program.arguments, "folders": program.folders, "hidden": HIDDEN
        }  # fmt: skip
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(start) + "\n")
            self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, args=(line,), daemon=True)
        self._reader.start()

    def _read(self, line: Line) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for text in stream:
                line(self.name, text.rstrip("\n"))

    def code(self) -> int | None:
        """The exit status, None while it runs."""
        return None if self._process is None else self._process.poll()

    def terminate(self, seconds: float) -> None:
        """SIGTERM, and SIGKILL for what is left after so many seconds."""
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self.code() is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def signal(self, number: int) -> None:
        """Send a signal to the program, as `docker kill` does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def close(self) -> None:
        """End whatever of it still runs, and take its last lines."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        if self._reader is not None:
            self._reader.join(timeout=5)

    def failure(self) -> str:
        """What the program left in `output/failure`."""
        path = self.root / "output" / "failure"
        return path.read_text(errors="replace").strip() if path.is_file() else ""


def addresses(hosts: list[str]) -> dict[str, str]:
    """For each host an address with a port that is free now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in hosts]
        ports = [each.getsockname()[1] for each in sockets]
    return {host: f"127.0.0.1:{port}" for host, port in zip(hosts, ports, strict=True)}


def parsed(text: str) -> Any:
    """A hyperparameter as the toolkit gives it in `SM_HPS`: JSON where it is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
