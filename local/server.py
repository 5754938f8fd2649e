"""The process of the embedded cloud: `python -m local.server --port 4566 --state-dir .tidemill/local`.

Started by `local.cloud.Cloud`. It prepares the environment MiniStack reads at import, installs the extensions,
serves on 127.0.0.1 until SIGTERM or SIGINT, and then saves its state. Writes nothing outside the state
directory.
"""

import argparse
import asyncio
import logging
import os
import random
import shutil
import signal
from pathlib import Path

HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT = "000000000000"
CREDENTIAL = "test"  # MiniStack's root caller; no secret
NO_DOCKER = "unix:///nonexistent/docker.sock"  # MiniStack would remove containers of whatever daemon it finds


def environment(*, port: int, state_dir: Path) -> dict[str, str]:
    """What MiniStack reads from the environment when it is imported."""
    return {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "localhost",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "AWS_ACCESS_KEY_ID": CREDENTIAL,
        "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
        "AWS_DEFAULT_REGION": REGION,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state_dir / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state_dir / "s3"),
        "TMPDIR": str(state_dir / "tmp"),
        "DOCKER_HOST": NO_DOCKER,
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "AUTH": "false",
    }


def prepare(*, port: int, state_dir: Path) -> None:
    """Set the environment and make empty working directories. To be called before MiniStack is imported."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(environment(port=port, state_dir=state_dir))
    shutil.rmtree(state_dir / "tmp", ignore_errors=True)
    for folder in ("state", "s3", "tmp"):
        (state_dir / folder).mkdir(parents=True, exist_ok=True)


async def serve(*, port: int, state_dir: Path, seed: int | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    from local import control, extensions

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    logging.getLogger("lambda").setLevel(logging.WARNING)  # it repeats what functions log; CloudWatch Logs has it
    background = extensions.install(rng=random.Random(seed))

    async def stopped() -> None:
        await stop.wait()
        await asyncio.to_thread(background.stop)

    try:
        await hypercorn_serve(control.application(state_dir), config, shutdown_trigger=stopped)  # type: ignore[arg-type]
    finally:
        control.stop_workers()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--seed", type=int, help="seed of the draws between the versions of a weighted alias")
    arguments = parser.parse_args()
    state_dir = arguments.state_dir.resolve()
    prepare(port=arguments.port, state_dir=state_dir)
    asyncio.run(serve(port=arguments.port, state_dir=state_dir, seed=arguments.seed))
    shutil.rmtree(state_dir / "tmp", ignore_errors=True)
    logging.shutdown()


if __name__ == "__main__":
    main()
