"""The program of SageMaker's training jobs, wherever they run: `python -m tidemill.jobs.train`.

Its hyperparameters say what it does: `slot` (trials of a slot of the search, until there is no more), `fit` (the
final fit), or `trial` (one trial of a tuning job). Reads and writes what the Lambda functions of these states do,
with the same use cases. Layout and files of a job:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html. `/opt/ml` is
`SAGEMAKER_BASE_DIR` where several jobs share a machine.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill import canonical, names
from tidemill.adapters import wiring
from tidemill.errors import TidemillError
from tidemill.observability import now
from tidemill.training.fit_final import fit_final
from tidemill.training.run_trial import run_trial
from tidemill.training.run_tuned_trial import run_tuned_trial
from tidemill.training.worker import Worker


def work(hyperparameters: Mapping[str, str], job: str, base: Path) -> dict[str, Any]:
    """Do what the hyperparameters say, and give what the job leaves in its model archive. `base` is `/opt/ml`."""
    run: dict[str, Any] = {name: hyperparameters[name] for name in ("project", "run_id")}
    ports: dict[str, Any] = {"objects": wiring.objects(), "clock": now, "worker": worker(base, job)}
    if hyperparameters["task"] == "fit":
        return {**run, **fit_final(**run, **ports)}
    ports["studies"] = wiring.studies(run["project"])
    if hyperparameters["task"] == "trial":
        algorithm: Any = hyperparameters["algorithm"]
        fact = run_tuned_trial(
            **run,
            job=job,
            algorithm=algorithm,
            hyperparameters=hyperparameters,
            say=say,
            index=wiring.index(),
            **ports,
        )
        if fact["state"] != "complete":
            raise TidemillError(f"trial {fact['trial']} {fact['state']}: {fact['reason']}")
        return {**run, **{name: fact[name] for name in ("trial", "value")}}
    trials = []
    while (answer := run_trial(**run, slot=int(hyperparameters["slot"]), index=wiring.index(), **ports))["more"]:
        say(f"trial {answer['trial']} {answer['state']}: {answer['value']}")
        trials.append(answer["trial"])
    say(f"no more trials: {answer['why']}")
    return {**run, "trials": trials}


def worker(base: Path, job: str) -> Worker:
    """This machine. SageMaker names a log stream `<job>/<host>-<time>`."""
    resources = json.loads((base / "input" / "config" / "resourceconfig.json").read_text())
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    log = {"group": names.TRAINING_LOGS, "stream": f"{job}/{resources['current_host']}-"}
    return Worker(memory_mb, log, resources["current_instance_type"])


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    hyperparameters = json.loads((base / "input" / "config" / "hyperparameters.json").read_text())
    try:
        left = work(hyperparameters, os.environ["TRAINING_JOB_NAME"], base)
    except Exception as error:
        (base / "output").mkdir(parents=True, exist_ok=True)
        (base / "output" / "failure").write_text(f"{type(error).__name__}: {error}"[:1024])
        raise
    (base / "model").mkdir(parents=True, exist_ok=True)
    (base / "model" / "job.json").write_bytes(canonical.dumps(left))


if __name__ == "__main__":
    main()
