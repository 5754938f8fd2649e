"""Time, and what a time means: the machine, its load, and what the same bytes cost without any bookkeeping."""

import hashlib
import mmap
import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow.csv  # type: ignore[import-untyped]

from benchmarks.inputs import Input

BLOCK = 512 << 10  # the fastest here, and what Tidemill takes, too
SETTLE_SECONDS = 2.5
TOUCHED = 1_500_000_000


class Time(NamedTuple):
    """Seconds that something took: by the clock, and of processors, its child processes included."""

    clock: float
    processor: float

    def and_then(self, other: "Time") -> "Time":
        return Time(self.clock + other.clock, self.processor + other.processor)


Times = dict[str, Time]


def timed(do: Callable[[], object]) -> Time:
    """What it takes, starting with nothing left to write to the disk from before, and with free memory that was in
    use before. Nobody's own writes are flushed within the time."""
    os.sync()
    _touch_memory()
    start, used = time.perf_counter(), _used()
    do()
    return Time(time.perf_counter() - start, _used() - used)


def _touch_memory() -> None:
    """Use and free memory. A virtual machine may give free memory back to its host, from where it returns slowly:
    on the machine where this was written, writing 1 GB took 0.2 to 0.4 s of processor time into memory that was
    just freed, and up to 2.2 s into other memory, whoever wrote it."""
    with mmap.mmap(-1, TOUCHED) as memory:
        for place in range(0, TOUCHED, mmap.PAGESIZE):
            memory[place] = 1


def _used() -> float:
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def settle() -> None:
    """Wait until files that were just written count as left alone (see `tidemill.data.stat_cache`)."""
    time.sleep(SETTLE_SECONDS)


def read_all(folder: Path) -> None:
    """Bring all files into the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                while stream.read(BLOCK):
                    pass


def digest(folder: Path) -> str:
    """One digest over names and contents of a folder's files."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.csv")):
        with path.open("rb") as stream:
            total.update(
                f"{path.relative_to(folder)} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode()
            )
    return total.hexdigest()


def floors(data: Input, work: Path) -> Times:
    """What versioning cannot do without, done by the shortest programs there are."""
    everything = sorted(str(path.relative_to(data.first)) for path in data.first.rglob("*.csv"))
    walk = timed(lambda: _stat_walk(str(data.first)))
    hashed = timed(lambda: _hash(data.first, everything))
    copied = timed(lambda: subprocess.run(["cp", "-r", data.first, work / "v1"], check=True))
    changed = timed(lambda: _hash(data.second, data.changed)).and_then(
        timed(lambda: [shutil.copyfile(data.second / path, work / Path(path).name) for path in data.changed])
    )
    times = {
        "stat walk": walk,
        "SHA-256 pass": hashed,
        "cp -r": copied,
        "SHA-256 pass + cp -r": hashed.and_then(copied),
        "stat walk + both of what changed": walk.and_then(changed),
        "pyarrow read_csv": timed(lambda: [pyarrow.csv.read_csv(data.first / path) for path in everything]),
    }
    if data.files == 1:
        shutil.rmtree(work)
    return times


def _stat_walk(folder: str) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            total += _stat_walk(entry.path) if entry.is_dir() else entry.stat().st_size
    return total


def _hash(folder: Path, paths: list[str]) -> None:
    """Read these files block by block and hash the blocks."""
    block = memoryview(bytearray(BLOCK))
    for path in paths:
        sha256 = hashlib.sha256()
        with (folder / path).open("rb", buffering=0) as source:
            while count := source.readinto(block):
                sha256.update(block[:count])
        sha256.hexdigest()


def machine(folder: Path) -> list[str]:
    """What the times depend on, one fact a line."""
    model = "unknown processor"
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    disk = subprocess.run(["df", "-T", folder], capture_output=True, text=True).stdout.split("\n")
    kind = disk[1].split()[1] if len(disk) > 1 and len(disk[1].split()) > 1 else "unknown"
    return [
        f"{model}, {os.cpu_count()} processors, {memory:.0f} GB of memory; file system {kind}",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, pyarrow {pyarrow.__version__}",
        f"load before: {load()}",
    ]


def load() -> str:
    """Load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())
