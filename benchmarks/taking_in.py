"""Taking an upload in, measured: `python -m benchmarks.taking_in` (see the README beside this file).

One file of growing size goes through the whole pass that RegisterVersion makes (digest, cells, rules, sketches,
leakage, personal data, content to its address), each in a process of its own: seconds, and the most memory that it
had. Beside it, in the same run: SHA-256 alone, `pyarrow.csv` reading the same file whole, and an idle process.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from benchmarks import measure, peers
from tidemill import names
from tidemill.adapters.directory import DirectoryObjects
from tidemill.data import take_in
from tidemill.projects import Project, parse

SIZES = (10, 100, 1000, 2000)
ROWS = 1 << 20
KEY = names.incoming("bench", "a.csv")
WORK = peers.ROOT / ".tidemill" / "bench"
ACTIONS = ("take in", "read_csv", "sha256", "import")


def project() -> Project:
    """Rules for every column of the file that `write` makes."""
    numbers = {f"n{place}": {"type": "number"} for place in range(8)}
    others = {"k": {"type": "integer"}, "c": {"type": "category"}, "u": {"type": "category"}}
    columns = {**numbers, **others, "y": {"type": "integer", "allowed": [0, 1]}, "t": {"type": "timestamp"}}
    features = [*numbers, *others]
    return parse(
        {
            "name": "bench", "description": "A benchmark.", "task": "classification", "target": "y", "time": "t",
            "columns": columns, "features": features,
        }
    )  # fmt: skip


def write(path: Path, megabytes: int) -> None:
    """A CSV file of that size: 8 numbers, a whole number, two categories, a target, a time."""
    draw = np.random.default_rng(1)
    with path.open("wb") as file:
        start = 0
        while file.tell() < megabytes * 1_000_000:
            times = np.datetime64("2026-01-01", "s") + np.arange(start, start + ROWS // 8)
            count = ROWS // 8
            columns = {f"n{place}": np.round(draw.normal(size=count), 2 + place % 4) for place in range(8)}
            columns |= {
                "k": draw.integers(0, 10_000, count),
                "c": draw.choice(["calm", "breeze", "gale"], count),
                "u": np.char.add("harbour ", draw.integers(0, 500, count).astype(str)),
                "y": draw.integers(0, 2, count),
                "t": np.char.add(times.astype(str), "Z"),
            }
            options = arrow_csv.WriteOptions(include_header=start == 0, quoting_style="needed")
            arrow_csv.write_csv(pa.table(columns), file, options)
            start += count


def act(action: str, store: Path) -> dict[str, float]:
    """Do one thing with the file in the store, in this process: its seconds, and the peak of memory in MB."""
    objects = DirectoryObjects(store)
    stat = objects.head(KEY)
    assert stat is not None
    path, begun = store / KEY, time.perf_counter()
    if action == "take in":
        upload = {"key": KEY, "version_id": stat.version_id, "size": stat.size}
        upload |= {"upload_id": "0" * 20, "sequencer": "1"}
        take_in.take_in(upload, "a.csv", project(), objects, at=datetime.now(UTC))
    elif action == "read_csv":
        arrow_csv.read_csv(path)
    elif action == "sha256":
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"seconds": time.perf_counter() - begun, "megabytes": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="megabytes")
    parser.add_argument("--act", nargs=2, metavar=("ACTION", "STORE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.act:
        sys.stdout.write(json.dumps(act(asked.act[0], Path(asked.act[1]))))
        return
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORK) as work:
        say("\n".join(measure.machine(Path(work))))
        say("| MB | " + " | ".join(f"{action}: s, peak MB" for action in ACTIONS) + " |")
        say("| ---: |" + " ---: |" * len(ACTIONS))
        for size in asked.sizes:
            say(f"| {size:,} | " + " | ".join(_cells(Path(work), size)) + " |")


def _cells(work: Path, size: int) -> list[str]:
    store = work / str(size)
    (store / KEY).parent.mkdir(parents=True)
    write(store / KEY, size)
    cells = []
    for action in ACTIONS:
        command = [sys.executable, "-m", "benchmarks.taking_in", "--act", action, str(store)]
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        cells.append(f"{told['seconds']:.2f}, {told['megabytes']:.0f}")
    return cells


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
