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
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill import canonical, env_names, names
from tidemill.adapters import wiring
from tidemill.errors import MachineLost, TidemillError
from tidemill.observability import now
from tidemill.training import facts, team
from tidemill.training.fit_final import family, fit_final, fit_shard, fit_share
from tidemill.training.run_trial import run_trial
from tidemill.training.run_tuned_trial import run_tuned_trial
from tidemill.training.worker import Worker, memory_mb

_FAILING = threading.Lock()


def work(hyperparameters: Mapping[str, str], job: str, base: Path) -> dict[str, Any]:
    """Do what the hyperparameters say, and give what the job leaves in its model archive. `base` is `/opt/ml`."""
    run: dict[str, Any] = {name: hyperparameters[name] for name in ("project", "run_id")}
    ports: dict[str, Any] = {"objects": wiring.objects(), "clock": now, "worker": worker(base, job)}
    if hyperparameters["task"] == "fit":
        return {**run, **fit(base, run, ports)}
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


def fit(base: Path, run: dict[str, Any], ports: dict[str, Any]) -> dict[str, Any]:
    """The final fit. Several machines share it, and the first one writes the model: they grow it together, each on
    its share of the rows; or each grows its share of a forest, which the first one merges."""
    resources, objects = described(base), ports["objects"]
    hosts, own = sorted(resources["hosts"]), resources["current_host"]
    rank = hosts.index(own)
    if len(hosts) > 1 and family(**run, objects=objects).parted:
        if objects.exists(facts.final_key(**run)):  # else a machine might wait for one that has nothing to do
            return {"share": rank}
        with team.together(rank, places(hosts, os.environ), lambda why: give_up(base, why)) as machines:
            if rank:
                return fit_share(**run, team=machines, objects=objects)
            return fit_final(**run, **ports, team=machines)
    if len(hosts) > 1:
        fit_shard(**run, shard=rank, of=len(hosts), objects=objects)
        if rank:
            return {"shard": rank}
        for shard in range(len(hosts)):
            while not objects.exists(facts.shard_key(run["project"], run["run_id"], shard, len(hosts))):
                time.sleep(1)  # a machine that fails ends the job
    return fit_final(**run, **ports, of=len(hosts))


def places(hosts: list[str], environment: Mapping[str, str]) -> list[team.Place]:
    """Where the machines find each other: by their names, which SageMaker lets them resolve, or where the
    environment says."""
    told: dict[str, str] = json.loads(environment.get(env_names.ENV_HOST_ADDRESSES) or "{}")
    found = [told.get(host, host).partition(":") for host in hosts]
    return [(address, int(port or team.PORT)) for address, _, port in found]


def give_up(base: Path, why: str) -> None:
    """End this machine, whose learner waits for one that is lost: nothing else ends it."""
    error = MachineLost(f"{why}; the fit has to be begun again")
    failed(base, error)
    say(f"{type(error).__name__}: {error}")
    os._exit(1)


def failed(base: Path, error: Exception) -> None:
    """Leave the reason where SageMaker looks for it. The first one stands: several threads may have one."""
    file = base / "output" / "failure"
    with _FAILING:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{type(error).__name__}: {error}"[:1024])


def described(base: Path) -> dict[str, Any]:
    """What SageMaker says of the job's machines, and of this one."""
    found: dict[str, Any] = json.loads((base / "input" / "config" / "resourceconfig.json").read_text())
    return found


def worker(base: Path, job: str) -> Worker:
    """This machine. SageMaker names a log stream `<job>/<host>-<time>`."""
    resources = described(base)
    log = {"group": names.TRAINING_LOGS, "stream": f"{job}/{resources['current_host']}-"}
    return Worker(memory_mb(), log, resources["current_instance_type"])


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    # SageMaker tells the region as AWS_REGION, boto3 looks for the other name.
    if region := os.environ.get("AWS_REGION"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)
    hyperparameters = json.loads((base / "input" / "config" / "hyperparameters.json").read_text())
    try:
        left = work(hyperparameters, os.environ["TRAINING_JOB_NAME"], base)
    except Exception as error:
        failed(base, error)
        raise
    (base / "model").mkdir(parents=True, exist_ok=True)
    (base / "model" / "job.json").write_bytes(canonical.dumps(left))


if __name__ == "__main__":
    main()
