"""Data to measure with: readings of tide gauges, made from a seed, as fast as a disk takes them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEADER = b"time,station,level,flow,wind,quality,full\n"
SEED = 20_260_301
BLOCK_ROWS = 250_000
STATIONS, WINDS = 40, [b"NE", b"SE", b"SW", b"NW"]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Input:
    """Two versions of a folder: `first` and `second` hold all of it; `changed`: the paths that differ."""

    title: str
    first: Path
    second: Path
    changed: list[str]
    files: int
    bytes: int


def small_files(work: Path, *, files: int, size: int) -> Input:
    """`files` CSV files of about `size` bytes; every hundredth of them is another one in the second version."""
    rows = size // len(_rows(1, 0, np.random.default_rng(0)))
    paths = [f"day-{number // 100:03d}/gauge-{number:05d}.csv" for number in range(files)]
    changed = paths[50::100] or paths[:1]
    for number, path in enumerate(paths):
        _write(work / "first" / path, rows, SEED + number)
    shutil.copytree(work / "first", work / "second")
    for number, path in enumerate(changed):
        _write(work / "second" / path, rows, SEED + files + number)
    return _input(f"{files:,} files of {size // 1000} KB", work, changed)


def one_file(work: Path, *, size: int) -> Input:
    """One CSV file of about `size` bytes; every hundredth row is another one in the second version."""
    rows = size // len(_rows(1, 0, np.random.default_rng(0)))
    _write(work / "first" / "gauges.csv", rows, SEED)
    _write(work / "second" / "gauges.csv", rows, SEED, other_rows=100)
    return _input(f"1 CSV of {size / 1e9:.3g} GB, {rows:,} rows", work, ["gauges.csv"])


def _input(title: str, work: Path, changed: list[str]) -> Input:
    sizes = [path.stat().st_size for path in (work / "first").rglob("*.csv")]
    return Input(title, work / "first", work / "second", changed, len(sizes), sum(sizes))


def _write(path: Path, rows: int, seed: int, *, other_rows: int = 0) -> None:
    """A file of that many rows; of `other_rows`, one has other readings than without (0: none)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator, other = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    with path.open("wb") as stream:
        stream.write(HEADER)
        for start in range(0, rows, BLOCK_ROWS):
            count = min(BLOCK_ROWS, rows - start)
            block = _rows(count, start, generator)
            if other_rows:
                block = block.reshape(count, -1)
                block[::other_rows] = _rows(count, start, other).reshape(count, -1)[::other_rows]
            stream.write(block.tobytes())


def _rows(count: int, start: int, generator: np.random.Generator) -> Bytes:
    """The bytes of `count` rows: one reading a minute at one station after the other."""
    minute, station = np.divmod(np.arange(start, start + count), STATIONS)
    days = np.datetime64("2026-01-01") + np.arange(minute[-1] // 1440 + 1)
    dates = np.frombuffer("".join(map(str, days)).encode(), np.uint8).reshape(-1, 10)
    level = (20_000 + 15_000 * np.sin(minute / 745 * 2 * np.pi) + generator.normal(0, 900, count)).astype(int)
    winds = np.frombuffer(b"".join(WINDS), np.uint8).reshape(-1, 2)
    parts: list[Bytes | bytes] = [
        dates[minute // 1440], b"T", _digits(minute // 60 % 24, 2), b":", _digits(minute % 60, 2), b":00,",
        b"GAUGE-", _digits(station, 3), b",", _digits(level // 10_000, 1), b".", _digits(level % 10_000, 4), b",",
        _digits(generator.integers(0, 10_000, count), 4), b".",
        _digits(generator.integers(0, 100, count), 2), b",",
        winds[generator.integers(0, len(WINDS), count)], b",", _digits(generator.integers(0, 10, count), 1), b",",
        _digits((level > 24_000).astype(int), 1), b"\n",
    ]  # fmt: skip
    columns = [np.tile(np.frombuffer(p, np.uint8), (count, 1)) if isinstance(p, bytes) else p for p in parts]
    return np.hstack(columns).ravel()


def _digits(numbers: NDArray[np.int64], width: int) -> Bytes:
    powers = 10 ** np.arange(width - 1, -1, -1)
    return (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)
