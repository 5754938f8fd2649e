"""A training job under way: from its place on this machine to its last status, in a thread of its own.

Two jobs run at a time; the others wait as `InProgress`/`Starting`. The states are those of
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html; a stopped job gets SIGTERM,
and after `TIDEMILL_SAGEMAKER_STOP_SECONDS` (120, as on AWS) SIGKILL. A spot interruption, which
`POST /_tidemill/sagemaker/interrupt` asks for, is the same, after which the job starts again with its checkpoints.
"""

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ministack.core.responses import get_region

from local.extensions.sagemaker import store, transfers
from local.extensions.sagemaker.hosts import POLL_SECONDS, Host, addresses
from local.extensions.sagemaker.images import Program
from local.extensions.sagemaker.logs import Log
from local.extensions.sagemaker.places import Places

Record = dict[str, Any]

logger = logging.getLogger(__name__)

AT_A_TIME = 2
STOP_SECONDS = float(os.environ.get("TIDEMILL_SAGEMAKER_STOP_SECONDS", "120"))
CHECKPOINT_SECONDS = 2.0
RESTART_SECONDS = 0.5  # until there is spot capacity again
PLACES = Places(AT_A_TIME)


class Job:
    """`record` is what Describe answers; `observe` hears of each metric as it is logged."""

    def __init__(
        self,
        record: Record,
        program: Program,
        credentials: Callable[[Record], dict[str, str]],
        observe: Callable[[str, float], None] | None = None,
    ) -> None:
        self.record = record
        self.over = threading.Event()
        self._program = program
        self._credentials = credentials
        self._observe = observe
        self._wishes: set[str] = set()
        self._worked = 0.0  # seconds in which instances were at work
        self._hosts: list[Host] = []
        self._work = Path()

    def ask(self, wish: str) -> None:
        """`stop`, `interrupt`, or `end` (the cloud stops)."""
        self._wishes.add(wish)

    def run(self) -> None:
        """From the wait for a place to the last status."""
        try:
            if PLACES.take(self, lambda: bool(self._wishes & {"stop", "end"})):
                try:
                    self._train()
                finally:
                    PLACES.leave(self)
            else:
                self._stopped("Stopped", "Training job stopped")
        except transfers.DataFault as error:
            self._failed(f"ClientError: Data download failed: {error}")
        except (ClientError, BotoCoreError) as error:
            self._failed(f"ClientError: {error}")
        except Exception as error:  # whatever it was, the job must reach a last status
            logger.exception("training job %s", self.record["TrainingJobName"])
            self._failed(f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            self.over.set()

    def _train(self) -> None:
        log = Log(self.record, self._observe)
        self._work = Path(tempfile.mkdtemp(prefix="training-"))
        started = time.time()
        with store.lock:
            self.record["TrainingStartTime"] = started
        try:
            while (end := self._attempt(log)) == "interrupt":
                store.transition(self.record, "Interrupted", "Spot capacity was taken back")
                self._wait_for_capacity()
            log.close()
            self._conclude(end)
        finally:
            for host in self._hosts:
                host.close()
            shutil.rmtree(self._work, ignore_errors=True)

    def _attempt(self, log: Log) -> str:
        """Run the job's hosts once: why they ended (`exit`, `stop`, `end`, `runtime`, `wait`, `interrupt`)."""
        job, region = store.copied(self.record), get_region()
        credentials = self._credentials(self.record)
        s3 = transfers.client(credentials, region)
        began = time.monotonic()
        try:
            store.transition(self.record, "Downloading", "Downloading input data")
            hosts = self._prepare(job, s3)
            checkpoints = self._checkpoints(job, s3)
            for each in checkpoints:
                each.fetch()
            store.transition(self.record, "Training", "Training image download completed. Training in progress.")
            for host in hosts:
                host.start(self._program, host.variables(credentials, region), log.line)
            end = self._watch(began, checkpoints)
            for host in hosts:
                host.close()
            for each in checkpoints:
                each.send()
            return end
        finally:
            self._account(time.monotonic() - began)

    def _prepare(self, job: Record, s3: Any) -> list[Host]:
        """Fresh hosts with their data, as a new instance has them."""
        shutil.rmtree(self._work, ignore_errors=True)
        names = [f"algo-{number}" for number in range(1, job["ResourceConfig"].get("InstanceCount", 1) + 1)]
        places = addresses(names)
        self._hosts = [
            Host(job, name=name, hosts=names, root=self._work / name, addresses=places) for name in names
        ]
        for number, host in enumerate(self._hosts):
            host.configure()
            for name, channel in host.channels.items():
                folder = host.root / "input" / "data" / name
                transfers.download_channel(s3, channel, folder, host=number, hosts=len(names))
        return self._hosts

    def _checkpoints(self, job: Record, s3: Any) -> list[transfers.Checkpoints]:
        wish = job.get("CheckpointConfig")
        if not wish:
            return []
        inside = wish.get("LocalPath", "/opt/ml/checkpoints")
        return [transfers.Checkpoints(s3, wish["S3Uri"], host.path(inside)) for host in self._hosts]

    def _watch(self, began: float, checkpoints: list[transfers.Checkpoints]) -> str:
        """Wait for the end of all hosts, or for a reason to end them. A host that fails ends the others."""
        sent = time.monotonic()
        while True:
            codes = [host.code() for host in self._hosts]
            if None not in codes or any(codes):
                return "exit"
            if reason := self._reason_to_end(began):
                seconds = 0.0 if reason == "end" else STOP_SECONDS
                stopping = [
                    threading.Thread(target=host.terminate, args=(seconds,), daemon=True) for host in self._hosts
                ]
                for thread in stopping:
                    thread.start()
                for thread in stopping:
                    thread.join()
                return reason
            if time.monotonic() - sent > CHECKPOINT_SECONDS:
                for each in checkpoints:
                    each.send()
                sent = time.monotonic()
            time.sleep(POLL_SECONDS)

    def _reason_to_end(self, began: float) -> str | None:
        for wish in ("end", "stop", "interrupt"):
            if wish in self._wishes:
                self._wishes.discard("interrupt")
                return wish
        limits = self.record["StoppingCondition"]
        if self._worked + time.monotonic() - began > limits["MaxRuntimeInSeconds"]:
            return "runtime"
        return "wait" if self._waited_too_long() else None

    def _waited_too_long(self) -> bool:
        limit = self.record["StoppingCondition"].get("MaxWaitTimeInSeconds")
        return limit is not None and time.time() - self.record["CreationTime"] > limit

    def _wait_for_capacity(self) -> None:
        time.sleep(RESTART_SECONDS)
        store.transition(self.record, "Starting", "Preparing the instances for training")

    def _account(self, seconds: float) -> None:
        """Count the time of an attempt; it is billed, the time between two attempts is not."""
        with store.lock:
            self._worked += seconds
            total = time.time() - self.record["TrainingStartTime"]
            self.record["TrainingTimeInSeconds"] = max(1, round(total))
            self.record["BillableTimeInSeconds"] = max(1, round(self._worked))

    def _conclude(self, end: str) -> None:
        if end == "end":
            self._failed(store.LOST)
            return
        codes = [host.code() for host in self._hosts]
        failed = end == "exit" and any(codes)
        store.transition(self.record, "Uploading", "Uploading generated training model")
        s3 = transfers.client(self._credentials(self.record), get_region())
        output = transfers.joined(self.record["OutputDataConfig"]["S3OutputPath"], self.record["TrainingJobName"])
        data = [host.root / "output" / "data" for host in self._hosts]
        transfers.upload_archive(s3, data, f"{output}/output/output.tar.gz")
        if failed:
            told = next((host.failure() for host in self._hosts if host.code() and host.failure()), "")
            code = next(code for code in codes if code)
            self._failed(f"AlgorithmError: {told or 'the program ended with an error'}, exit code: {code}")
            return
        transfers.upload_archive(
            s3, [host.root / "model" for host in self._hosts], f"{output}/output/model.tar.gz"
        )
        if end == "exit":
            store.finish(self.record, "Completed", "Completed", "Training job completed")
        elif end == "stop":
            self._stopped("Stopped", "Training job stopped")
        elif end == "runtime":
            self._stopped("MaxRuntimeExceeded", "Training job runtime exceeded MaxRuntimeInSeconds provided")
        else:
            self._stopped("MaxWaitTimeExceeded", "Training job exceeded MaxWaitTimeInSeconds provided")

    def _stopped(self, secondary: str, message: str) -> None:
        store.finish(self.record, "Stopped", secondary, message)

    def _failed(self, reason: str) -> None:
        store.finish(self.record, "Failed", "Failed", "Training job failed", reason=reason)
