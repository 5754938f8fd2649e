"""A model that several machines grew together, made again on one: by as many processes.

Which rows a machine had decides in which order sums were taken, and between which values trees could split. So the
model of a team is another one than that of a single fit, and only a team makes it again.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from tidemill import canonical
from tidemill.errors import MachineLost
from tidemill.projects import Project
from tidemill.training import artifacts, prepare
from tidemill.training.team import MEET_SECONDS

_LOOK_SECONDS = 0.1
_LIBRARY = Path(__file__).resolve().parents[2]


def fit_here(
    point: Mapping[str, Any], rows: prepare.Arrays, *, project: Project, seed: int, machines: int, threads: int
) -> Pipeline:
    """The pipeline of that point (`algorithm`, `parameters`), fitted by so many processes, each with so many
    threads. Raises MachineLost, with its last words, when one of them ends early."""
    with tempfile.TemporaryDirectory(prefix="tidemill-team-") as name:
        folder = Path(name)
        (folder / "rows.npz").write_bytes(prepare.dump(rows))
        told = {
            "algorithm": point["algorithm"],
            "parameters": dict(point["parameters"]),
            "project": project.model_dump(mode="json"),
            "seed": seed,
            "ports": _free_ports(machines),
            "seconds": MEET_SECONDS,
        }
        (folder / "fit.json").write_bytes(canonical.dumps(told))
        _run(folder, machines, threads)
        body = (folder / "model.skops").read_bytes()
    return artifacts.load(body, canonical.sha256(body))


def _run(folder: Path, machines: int, threads: int) -> None:
    """Start the processes, and wait until all of them have ended well."""
    inherited = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(_LIBRARY), *([inherited] if inherited else [])]),
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
    }
    with ExitStack() as stack:
        processes = []
        for rank in range(machines):
            log = stack.enter_context((folder / f"{rank}.log").open("wb"))
            command = [sys.executable, "-m", "tidemill.jobs.fit_share", str(folder), str(rank)]
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            stack.callback(_end, process)
            processes.append(process)
        while None in (codes := [process.poll() for process in processes]) and not any(codes):
            time.sleep(_LOOK_SECONDS)
    if any(codes):
        logs = [(folder / f"{rank}.log").read_text(errors="replace") for rank, code in enumerate(codes) if code]
        words = "; ".join(log.strip().rpartition("\n")[2] for log in logs)
        raise MachineLost(f"of {machines} processes that fit the model together, {len(logs)} ended early: {words}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in sockets]
