"""One of the processes that stand for the machines of a team: `python -m tidemill.jobs.fit_share <folder> <rank>`.

`training.parted` starts them on one machine. The folder has `rows.npz` and `fit.json`; the first one writes
`model.skops` into it.
"""

import json
import os
import sys
from pathlib import Path

from tidemill import projects
from tidemill.training import artifacts, pipeline, prepare, team


def give_up(why: str) -> None:
    """End this process, whose learner waits for one that is lost: nothing else ends it."""
    sys.stderr.write(f"MachineLost: {why}\n")
    sys.stderr.flush()
    os._exit(1)


def main() -> None:
    folder, rank = Path(sys.argv[1]), int(sys.argv[2])
    told = json.loads((folder / "fit.json").read_text())
    rows = prepare.load((folder / "rows.npz").read_bytes())
    places = [("127.0.0.1", port) for port in told["ports"]]
    with team.together(rank, places, give_up, seconds=told["seconds"]) as machines:
        model = pipeline.fit(
            told["algorithm"],
            told["parameters"],
            rows,
            project=projects.parse(told["project"]),
            seed=told["seed"],
            team=machines,
        )
    if rank == 0:
        (folder / "model.skops").write_bytes(artifacts.save(model))


if __name__ == "__main__":
    main()
