"""What holds for every suite."""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named after their argument: each worker makes them anew, gzip with its time in them, and workers
    that name one test differently run none."""
    return argname if isinstance(val, bytes) else None
