"""The searchers that live in an environment of their own, as they need what Tidemill does not install.

They are installed into `.tidemill/bench/search` (6 GB, most of it PyTorch) by `install`, and each search is a
process that is asked and told by lines of JSON: `benchmarks/search_process.py`.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".tidemill" / "bench" / "search"
PYTHON = FOLDER / "bin" / "python"
PACKAGES = ("scikit-optimize", "nevergrad", "optuna", "torch")


@dataclass(frozen=True)
class Peer:
    name: str
    several: bool


PEERS = {
    "*Optuna*: Gaussian process (PyTorch)": Peer("optuna_gp", several=False),
    "*scikit-optimize*: Gaussian process": Peer("skopt", several=False),
    "*nevergrad*: CMA": Peer("CMA", several=False),
    "*nevergrad*: TwoPointsDE": Peer("TwoPointsDE", several=True),
}

ALONE = ("*scikit-optimize*: Gaussian process",)
"""Those that know nothing of points that are being tried."""


def install() -> dict[str, str]:
    """The version of each package; installs them first, if they are not there."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
        subprocess.run([str(PYTHON), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {PACKAGES!r}}}))"
    answer = subprocess.run([str(PYTHON), "-c", code], check=True, capture_output=True, text=True)
    versions: dict[str, str] = json.loads(answer.stdout)
    return versions


class Task(NamedTuple):
    """What is searched: so many parameters and values, with that seed, so many trials, so many at a time."""

    dimensions: int
    values: int
    seed: int
    budget: int
    workers: int


class PeerProcess:
    """A search in a process of that environment. Raises RuntimeError when the process has ended by itself."""

    def __init__(self, name: str, task: Task) -> None:
        arguments = [name, *map(str, task)]
        self._process = subprocess.Popen(
            [str(PYTHON), "-m", "benchmarks.search_process", *arguments],
            cwd=ROOT,
            env=os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._say({})  # the imports are not counted

    def ask(self) -> tuple[int, NDArray[np.float64]]:
        answer = self._say({"ask": True})
        return answer["ticket"], np.array(answer["point"])

    def tell(self, ticket: int, values: tuple[float, ...]) -> None:
        self._say({"ticket": ticket, "values": values})

    def close(self) -> None:
        self._process.communicate()

    def _say(self, message: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the search ended by itself: {self._process.args!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer
