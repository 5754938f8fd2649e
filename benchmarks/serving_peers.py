"""Who else serves the model: each a server on 127.0.0.1 from an environment of its own below `.tidemill/bench/`,
started with its defaults and one worker. One that cannot be installed is left out.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving_model import Served

ROOT = Path(__file__).resolve().parent.parent
APPS = Path(__file__).resolve().parent / "serving_apps"
HOST = "127.0.0.1"
PATIENCE = 120.0


@dataclass(frozen=True)
class Peer:
    """One server. `command` gets the environment's programs, the model's folder and a port."""

    name: str
    environment: str
    packages: tuple[str, ...]
    command: Callable[[Path, Path, int], list[str]]
    path: str
    body: Callable[[dict[str, Any]], Any]
    answer: Callable[[Any], float]

    @property
    def programs(self) -> Path:
        return ROOT / ".tidemill" / "bench" / f"serve-{self.environment}" / "bin"


def _as_tensors(row: dict[str, Any]) -> dict[str, Any]:
    """The row in the Open Inference Protocol, which MLServer makes a frame of."""
    kinds = {int: "INT64", float: "FP64", str: "BYTES"}
    inputs = [
        {"name": name, "shape": [1, 1], "datatype": kinds[type(value)], "data": [value]}
        | ({"parameters": {"content_type": "str"}} if isinstance(value, str) else {})
        for name, value in row.items()
    ]
    return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}


SKLEARN = ("scikit-learn=={scikit-learn}", "pandas=={pandas}")
PEERS = (
    Peer(
        "MLflow",
        "mlflow",
        ("mlflow", *SKLEARN),
        lambda programs, work, port: [
            *(str(programs / "mlflow"), "models", "serve", "-m", str(work / "mlflow")),
            *("--env-manager", "local", "-h", HOST, "-p", str(port)),
        ],
        "/invocations",
        lambda row: {"dataframe_records": [row]},
        lambda answer: answer["predictions"][0][1],
    ),
    Peer(
        "BentoML",
        "bentoml",
        ("bentoml", *SKLEARN),
        lambda programs, _, port: [
            *(str(programs / "bentoml"), "serve", "bento_service:Flights"),
            *("--host", HOST, "--port", str(port), "--working-dir", str(APPS)),
        ],
        "/predict",
        lambda row: {"instances": [row]},
        lambda answer: answer[0],
    ),
    Peer(
        "FastAPI + scikit-learn",
        "fastapi",
        ("fastapi", "uvicorn", *SKLEARN),
        lambda programs, _, port: [
            *(str(programs / "uvicorn"), "fastapi_app:app", "--app-dir", str(APPS)),
            *("--host", HOST, "--port", str(port), "--no-access-log"),
        ],
        "/predict",
        lambda row: {"instances": [row]},
        lambda answer: answer["probabilities"][0],
    ),
    Peer(
        "MLServer",
        "mlserver",
        ("mlserver", "mlserver-sklearn", *SKLEARN),
        lambda programs, work, port: [
            *("env", f"MLSERVER_HTTP_PORT={port}", f"MLSERVER_HOST={HOST}", "MLSERVER_PARALLEL_WORKERS=0"),
            *(f"MLSERVER_GRPC_PORT={free_port()}", f"MLSERVER_METRICS_PORT={free_port()}"),
            *(str(programs / "mlserver"), "start", str(work / "mlserver")),
        ],
        "/v2/models/flights/infer",
        _as_tensors,
        lambda answer: answer["outputs"][0]["data"][1],
    ),
)


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def installed(peer: Peer, versions: dict[str, str]) -> bool:
    """Whether it is there; it is installed first, if it is not."""
    python = peer.programs / "python"
    uv = str(Path(sys.executable).with_name("uv"))
    wanted = [package.format_map(versions) for package in peer.packages]
    for command in (
        [uv, "venv", "-q", "--allow-existing", "--python", sys.executable, str(python.parent.parent)],
        [uv, "pip", "install", "-q", "--python", str(python), *wanted],
    ):
        if subprocess.run(command, capture_output=True, timeout=900).returncode:
            return False
    return True


def version(peer: Peer) -> str:
    code = f"import importlib.metadata as m; print(m.version({peer.packages[0]!r}))"
    return subprocess.run(
        [str(peer.programs / "python"), "-c", code], capture_output=True, text=True
    ).stdout.strip()


def prepare(peer: Peer, served: Served, work: Path) -> None:
    """What is done once, before its first start."""
    if peer.environment == "mlflow" and not (work / "mlflow").exists():
        command = [str(peer.programs / "python"), str(APPS / "mlflow_save.py"), str(served.pickled)]
        subprocess.run([*command, str(work / "mlflow")], check=True, capture_output=True)
    if peer.environment == "mlserver":
        settings = {"name": "flights", "implementation": "mlserver_sklearn.SKLearnModel"}
        (work / "mlserver").mkdir(exist_ok=True)
        told = {**settings, "parameters": {"uri": str(served.pickled)}}
        (work / "mlserver" / "model-settings.json").write_text(json.dumps(told))


@dataclass(frozen=True)
class Answered:
    """A server that has just given its first answer, so many seconds after its start."""

    seconds: float
    process: int
    client: "Client"


@contextmanager
def serving(peer: Peer, served: Served, work: Path) -> Iterator[Answered]:
    """The server until the end of the block. Raises RuntimeError if it does not answer as scikit-learn does."""
    port = free_port()
    environment = os.environ | {
        "BENCH_MODEL": str(served.pickled),
        "HOME": str(work),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    environment |= {"PATH": f"{peer.programs}{os.pathsep}{os.environ['PATH']}"}
    with (work / f"{peer.environment}.log").open("w") as log:
        start = time.perf_counter()
        command = peer.command(peer.programs, work, port)
        process = subprocess.Popen(
            command, cwd=work, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        client = Client(port, peer.path, json.dumps(peer.body(served.row)))
        answer = _first(client, process, start)
        seconds = time.perf_counter() - start
        if abs(peer.answer(answer) - served.probability) > 1e-4:
            raise RuntimeError(f"{peer.name} answers {answer}, not {served.probability}")
        yield Answered(seconds, process.pid, client)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _first(client: "Client", process: "subprocess.Popen[bytes]", start: float) -> Any:
    while time.perf_counter() - start < PATIENCE:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended by itself with {process.returncode}")
        try:
            return client.ask()
        except (OSError, http.client.HTTPException, RuntimeError):
            client.close()
            time.sleep(0.01)
    raise RuntimeError(f"no answer of {process.args!r} in {PATIENCE:.0f} s")


class Client:
    """One connection that stays open, and the request that is always sent."""

    def __init__(self, port: int, path: str, body: str, headers: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=30)
        self._path, self._body = path, body.encode()
        self._headers = {"Content-Type": "application/json", **(headers or {})}

    def ask(self) -> Any:
        """The JSON answer. Raises RuntimeError for another status than 200."""
        self._connection.request("POST", self._path, self._body, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {content[:300]!r}")
        return json.loads(content)

    def times(self, number: int) -> list[float]:
        """Seconds that so many requests took, one after the other, after a tenth as many that are not counted."""
        found = []
        for _ in range(number // 10 + number):
            start = time.perf_counter()
            self.ask()
            found.append(time.perf_counter() - start)
        return found[number // 10 :]

    def close(self) -> None:
        self._connection.close()
