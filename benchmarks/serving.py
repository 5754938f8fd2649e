"""Answers, measured: `python -m benchmarks.serving`, or `make bench-serving` (see the README beside this file).

One run, the same model and the same row for everybody. Each round starts each of them anew, one after the other,
so that other work on the machine falls on all alike; what is told are medians over all rounds.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import measure, serving_cloud, serving_model, serving_peers
from benchmarks.serving_model import Served
from benchmarks.serving_peers import PEERS, ROOT
from tidemill.serving import compact

FUNCTION = ROOT / "functions" / "serving" / "predict.py"
PROCESS = ROOT / "benchmarks" / "serving_process.py"
IN_PROCESS = 5000
HANDLER = "Tidemill, the handler in its process"
TRAINED = "Tidemill, the same with the training form"
PARTS = {
    "Python alone": "pass",
    "and numpy": "import numpy",
    "and onnxruntime": "import numpy, onnxruntime",
}


@dataclass
class Figures:
    """Of one of them, over all rounds: seconds of each request, seconds to the first answer, MB of memory."""

    requests: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    """Seconds of a processor until the first answer, on which other work on the machine has little effect."""

    def median(self) -> float:
        return statistics.median(self.requests)

    def p95(self) -> float:
        return statistics.quantiles(self.requests, n=20)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=300, help="over HTTP, in each round")
    parser.add_argument("--alone", action="store_true", help="the handler in its process only, in a minute")
    options = parser.parse_args()
    above = ROOT / ".tidemill" / "bench"
    above.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="serving-", dir=above) as folder:
        work = Path(folder)
        say("\n".join(f"- {fact}" for fact in [f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", *measure.machine(work)]))
        served = serving_model.make(work)
        libraries = {name: importlib.metadata.version(name) for name in ("scikit-learn", "pandas", "onnxruntime")}
        there = [peer for peer in PEERS if not options.alone and serving_peers.installed(peer, libraries)]
        versions = {**libraries, **{peer.name: serving_peers.version(peer) for peer in there}}
        say("- " + ", ".join(f"{name} {version}" for name, version in versions.items()))
        for peer in there:
            serving_peers.prepare(peer, served, work)
        figures, parts = measured(there, served, work, options)
    say(f"- load after: {measure.load()}")
    report(figures, parts)


def measured(
    there: list[serving_peers.Peer], served: Served, work: Path, options: argparse.Namespace
) -> tuple[dict[str, Figures], dict[str, list[float]]]:
    found: defaultdict[str, Figures] = defaultdict(Figures)
    parts: defaultdict[str, list[float]] = defaultdict(list)
    # What compiles the bytecode is not counted.
    trained = replace(served, package=served.trained)
    in_process(Figures(), served, 0)
    in_process(Figures(), trained, 0)
    for peer in there:
        with serving_peers.serving(peer, served, work):
            pass
    for number in range(options.rounds):
        in_process(found[HANDLER], served, IN_PROCESS)
        in_process(found[TRAINED], trained, options.requests)
        for _ in range(4):
            in_process(found[HANDLER], served, 0)
            in_process(found[TRAINED], trained, 0)
            for name, code in PARTS.items():
                parts[name].append(started(code))
        for peer in there:
            with serving_peers.serving(peer, served, work) as answered:
                mine = found[f"{peer.name}, HTTP"]
                mine.first.append(answered.seconds)
                mine.requests += answered.client.times(options.requests)
                mine.memory.append(memory(answered.process))
        if not options.alone:
            behind_http(found, served, work / f"round-{number}", options.requests)
        say(f"- round {number + 1}: load {measure.load()}")
    return found, parts


def behind_http(found: defaultdict[str, Figures], served: Served, work: Path, requests: int) -> None:
    """The function behind the embedded cloud's HTTP API, and an empty one."""
    with serving_cloud.endpoints(served, work) as clients:
        for name, client in clients.items():
            told = "Tidemill" if name == "predict" else "an empty handler"
            found[f"{told}, HTTP of the embedded cloud"].requests += client.times(requests)


def _environment(served: Served) -> dict[str, str]:
    """The layers on the path and nothing else: no `site`, which Lambda has not, either."""
    packages = Path(importlib.metadata.distribution("numpy").locate_file(""))
    path = [ROOT / "layers" / "core" / "python", served.package, packages]
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, path)), "OPENBLAS_NUM_THREADS": "1"}


def in_process(mine: Figures, served: Served, requests: int) -> None:
    """One fresh process: the time to its first answer, and, if requests are asked for, theirs and the memory."""
    body = compact.text({"instances": [served.row]})
    command = [sys.executable, "-S", str(PROCESS), str(FUNCTION), body, str(requests)]
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        env=_environment(served),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stderr is None or process.stdin is None:
            raise RuntimeError("the process was started without pipes")
        answer = json.loads(process.stderr.readline())
        mine.first.append(time.perf_counter() - start)
        said = json.loads(answer["body"])
        if abs(said["predictions"][0]["probability"] - served.probability) > 1e-4:
            raise RuntimeError(f"Tidemill answers {said}, not {served.probability}")
        told = json.loads(process.stderr.readline())
        mine.requests += told["seconds"]
        mine.processor.append(told["processor"])
        mine.memory.append(memory(process.pid))
        mine.resident.append(int(_line(f"/proc/{process.pid}/status", "VmRSS:")) / 1000)
        process.stdin.close()


def started(code: str) -> float:
    """Seconds that a process takes which only does this."""
    packages = str(importlib.metadata.distribution("numpy").locate_file(""))
    start = time.perf_counter()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": packages, "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-S", "-c", code], env=environment, check=True)
    return time.perf_counter() - start


def memory(process: int) -> float:
    """MB that a process and its children have to themselves, what they share divided among them (PSS)."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    own = int(_line(f"/proc/{process}/smaps_rollup", "Pss:")) / 1000
    return own + sum(memory(int(child)) for child in children)


def _line(path: str, name: str) -> str:
    """The number behind that name, in KB."""
    return next(line.split()[1] for line in Path(path).read_text().splitlines() if line.startswith(name))


def report(figures: dict[str, Figures], parts: dict[str, list[float]]) -> None:
    base = figures[HANDLER]
    say("\n| | p50, ms | p95, ms | x handler | first answer, ms | x handler | memory, MB | x handler |")
    say("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, mine in figures.items():
        row = [f"{mine.median() * 1000:.3f}", f"{mine.p95() * 1000:.3f}", f"{mine.median() / base.median():.1f}"]
        for values, of_base, unit in ((mine.first, base.first, 1000), (mine.memory, base.memory, 1)):
            known = statistics.median(values) if values else None
            row += [f"{known * unit:.0f}", f"{known / statistics.median(of_base):.1f}"] if known else ["", ""]
        say(f"| {name} | {' | '.join(row)} |")
    told = ", ".join(f"{name} {statistics.median(values) * 1000:.0f}" for name, values in parts.items())
    resident, processor = statistics.median(base.resident), statistics.median(base.processor)
    say(f"\nThe handler's process is {resident:.0f} MB resident. To its first answer it takes a processor")
    say(f"{processor * 1000:.0f} ms, on which other work on the machine has little effect.")
    say(f"Of the handler's first answer, ms: {told}, and its code, model and answer.")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
