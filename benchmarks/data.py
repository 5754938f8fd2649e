"""Versioning of data, measured: `python -m benchmarks.data` (see the README beside this file)."""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import inputs, measure, peers
from benchmarks.inputs import Input
from benchmarks.measure import Times

NEEDED = 12 << 30
Figures = dict[str, float]
ACTIONS = {
    "v1": "v1, on this machine",
    "v1 pushed": "v1, and pushed",
    "no-op": "nothing changed",
    "v2": "v2, on this machine",
    "v2 pushed": "v2, and pushed",
    "diff": "diff of v1 and v2",
    "checkout": "checkout of v1",
}
FLOOR_OF = {
    "v1": "SHA-256 pass + cp -r",
    "v1 pushed": "SHA-256 pass + cp -r",
    "no-op": "stat walk",
    "v2": "stat walk + both of what changed",
    "v2 pushed": "stat walk + both of what changed",
    "checkout": "SHA-256 pass + cp -r",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of the files, a fiftieth of the bytes")
    parser.add_argument("--runs", type=int, default=5, help="runs with many small files (default 5)")
    parser.add_argument("--large-runs", type=int, default=3, help="runs with one large file (default 3)")
    parser.add_argument("--only", choices=("many", "one"), help="many small files, or one large file")
    parser.add_argument("--work", type=Path, default=peers.ROOT / ".tidemill" / "bench", help="where to work")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    needed = NEEDED // 20 if options.small else NEEDED
    if shutil.disk_usage(options.work).free < needed:
        sys.exit(f"{options.work} has less than {needed >> 30} GB free; give another folder with --work")
    versions = peers.installed()
    say(head(options.work, versions))
    here = {name for name, version in versions.items() if version != "not installed"}
    if options.only != "one":
        with workspace(options.work) as work:
            files = 200 if options.small else 2_000
            compare(inputs.small_files(work, files=files, size=50_000), work, here, runs=options.runs)
    if options.only != "many":
        with workspace(options.work) as work:
            size = 20_000_000 if options.small else 1_000_000_000
            compare(inputs.one_file(work, size=size), work, here, runs=options.large_runs)
    say(f"Load after: {measure.load()}.\n")


@contextmanager
def workspace(above: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="work-", dir=above))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def compare(data: Input, work: Path, here: set[str], *, runs: int) -> None:
    """Let everybody go through the input that often, taking turns, and say what came out. A first round is not
    counted: a virtual machine gives out memory and disk blocks slowly when it does so for the first time. With one
    large file a workspace is removed at once, for room; with many small ones at the end, because ext4 is slow to
    make files for a while after it has removed many."""
    measure.read_all(data.first)
    measure.read_all(data.second)
    times: dict[str, list[Times]] = defaultdict(list)
    for number in range(runs + 1):
        floor = work / f"floor-{number}"
        times["floor"].append(measure.floors(data, made(floor)))
        for peer in peers.PEERS:
            if peer.name not in here:
                continue
            place = made(work / f"{peer.__name__}-{number}")
            times[peer.name].append(peers.walk_through(peer(place), data))
            if data.files == 1:
                shutil.rmtree(place)
    for title, of, which in (
        ("medians", statistics.median, "clock"),
        ("the quickest", min, "clock"),
        ("processor time, medians", statistics.median, "processor"),
    ):
        figures = {name: summed_up(found[1:], of, which) for name, found in times.items()}
        say(table(data, figures, f"{title} of {runs} runs"))


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def summed_up(runs: list[Times], of: Callable[[list[float]], float], which: str) -> Figures:
    return {action: of([getattr(run[action], which) for run in runs]) for action in runs[0]}


def table(data: Input, times: dict[str, Figures], which: str) -> str:
    """Markdown: seconds, how many times the floor Tidemill takes, and how many times Tidemill's the others take
    (each of them a command of its own, therefore against Tidemill in a process of its own)."""
    floor, ours, cold = times["floor"], times["Tidemill"], times["Tidemill, cold"]
    others = [name for name in ("DVC", "Git LFS") if name in times]
    columns = [
        "",
        "floor",
        "Tidemill",
        "x floor",
        "Tidemill, cold",
        *(c for name in others for c in (name, "x cold")),
    ]
    lines = [f"**{data.title}** ({data.bytes / 1e6:,.0f} MB), {which}, seconds", "", row(columns)]
    lines.append(row(["---", *["---:"] * (len(columns) - 1)]))
    for action, title in ACTIONS.items():
        least = floor.get(FLOOR_OF.get(action, ""))
        ratio = f"{ours[action] / least:.2f}" if least else ""
        cells = [title, seconds(least), seconds(ours[action]), ratio, seconds(cold[action])]
        for name in others:
            cells += [seconds(times[name][action]), f"{times[name][action] / cold[action]:.1f}"]
        lines.append(row(cells))
    parts = ", ".join(f"{name} {seconds(value)}" for name, value in floor.items())
    return "\n".join([*lines, "", f"Floors: {parts}.", "", ""])


def seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def head(work: Path, versions: dict[str, str]) -> str:
    named = "; ".join(f"{name} {version}" for name, version in versions.items() if name != "Tidemill, cold")
    facts = [f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", *measure.machine(work), named, "inputs in the page cache"]
    return "\n".join(f"- {fact}" for fact in facts) + "\n\n"


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    os.umask(0o022)
    main()
