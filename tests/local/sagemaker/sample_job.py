"""A training job's program: what it does is written in its hyperparameters. Packed into a layer by the tests."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import tidemill_sample_layer  # another module of the layer

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def seen():
    """Everything that a program can see of its job."""
    files = sorted(path.relative_to(BASE).as_posix() for path in BASE.rglob("*") if path.is_file())
    config = {path.stem: json.loads(path.read_text()) for path in (BASE / "input" / "config").glob("*.json")}
    return {
        "files": files, "config": config, "environment": dict(os.environ), "arguments": sys.argv[1:],
        "path": sys.path, "layer": tidemill_sample_layer.__name__,
    }  # fmt: skip


def count(name):
    """How often the program has come here, kept in a checkpoint."""
    path = BASE / "checkpoints" / name
    number = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(number))
    return number


def main():
    wishes = json.loads((BASE / "input" / "config" / "hyperparameters.json").read_text())
    host = json.loads((BASE / "input" / "config" / "resourceconfig.json").read_text())["current_host"]
    if "ignore_sigterm" in wishes:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    starts = count("starts")
    say(f"start {starts} on {host}")
    for text in json.loads(wishes.get("print", "[]")):
        say(text)
    if "x" in wishes:
        say(f"loss={(float(wishes['x']) - 3) ** 2:.6f};")
    if "steps" in wishes:
        for step in range(int(wishes["steps"])):
            say(f"loss={float(wishes['x']) + 1 / (step + 1):.6f};")
            time.sleep(0.05)
    while float(wishes.get("x", "0")) >= float(wishes.get("linger_from", "inf")):  # until it is stopped
        time.sleep(0.05)
    if "read" in wishes:
        import boto3

        bucket, key = wishes["read"].split("/", 1)
        say("read " + boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())
    while starts < int(wishes.get("until_start", "0")) or "sleep" in wishes:
        time.sleep(0.05)
    if "fail" in wishes:
        (BASE / "output" / "failure").write_text(wishes["fail"])
        raise SystemExit(3)
    (BASE / "model" / f"{host}.json").write_text(json.dumps(seen()))
    (BASE / "output" / "data" / "note.txt").write_text("done")


main()
