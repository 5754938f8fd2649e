"""How good a search is, and what its storage costs: `python -m benchmarks.tuning` (see the README beside it)."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: threads only get in each other's way
os.environ.setdefault("OMP_NUM_THREADS", "1")

import optuna

from benchmarks import measure, search_overhead, search_peers, search_quality
from benchmarks.objectives import OBJECTIVES, SEVERAL, Objective, Several


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="searches per figure (default 10)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="searches at a time (default: all)")
    parser.add_argument("--rows", default="", help="only rows whose name matches this regular expression")
    parser.add_argument("--only", choices=("quality", "overhead"), help="one of the two parts")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    versions = {} if options.only == "overhead" else search_peers.install()
    facts = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        *measure.machine(Path.cwd()),
        f"Tidemill with Optuna {optuna.__version__}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    say("\n".join(f"- {fact}" for fact in facts) + "\n")
    if options.only != "overhead":
        for objective in OBJECTIVES + SEVERAL:
            quality(objective, options.seeds, options.processes, options.rows)
    if options.only != "quality":
        overhead()


def quality(objective: Objective | Several, seeds: int, processes: int, wanted: str) -> None:
    """A table: a row for each searcher."""
    say(f"**{objective.title}**: {meaning(objective)}; medians of {seeds} seeds\n")
    workers = search_quality.WORKERS
    headings = [f"{n}" for n in objective.checkpoints] + [f"{n}, {workers} workers" for n in objective.checkpoints]
    say(row(["trials", *headings, "ms a trial"]) + "\n" + row(["---", *["---:"] * (len(headings) + 1)]))
    found: dict[str, tuple[tuple[float, ...], ...]] = {}
    for each in search_quality.rows(objective, seeds, processes, wanted):
        together: list[float | None] = [*each.together] or [None] * len(each.alone)
        figures = ["" if figure is None else f"{figure:.3f}" for figure in (*each.alone, *together)]
        say(row([each.name, *figures, f"{each.seconds * 1000:.1f}"]))
        found[each.name] = each.runs
    pairs = list(zip(found.get("TPE", ()), found.get("*Optuna*: TPE", ()), strict=True))
    same = sum(ours == theirs for ours, theirs in pairs)
    compared = f"TPE on Tidemill's storage found exactly what Optuna's found in {same} of {len(pairs)} searches.\n"
    say(f"\n{compared}" if pairs else "")


def meaning(objective: Objective | Several) -> str:
    if isinstance(objective, Several):
        return f"share of the greatest volume below {objective.reference} (1 at best)"
    return "least value so far" + ("" if objective.least is None else f" ({objective.least:g} at best)")


def overhead() -> None:
    """What a storage, and a run, add to a trial that costs nothing."""
    trials, workers = search_overhead.TRIALS, search_overhead.WORKERS
    say(f"**Overhead**: ms a trial that computes nothing, {trials} trials with two parameters, random points\n")
    say(row(["", "one worker", "over memory", f"{workers} processes"]) + "\n" + row(["---", *["---:"] * 3]))
    none = 0.0
    for each in search_overhead.rows():
        none = none or each.alone or 0.0
        over = None if each.alone is None else each.alone - none
        say(row([each.name, *("" if ms is None else f"{ms:.1f}" for ms in (each.alone, over, each.together))]))
    say("")


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
