"""How many threads the numeric libraries may use in a function.

Lambda gives one processor per 1,769 MB (docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html), but
libraries count the machine's. More threads than processors wait for each other; and one thread sums in one
order, so that the same rows give the same bytes. `OMP_NUM_THREADS`, where it is set, takes precedence.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from threadpoolctl import threadpool_info, threadpool_limits

MEGABYTES_PER_PROCESSOR = 1769


def allowed(environment: Mapping[str, str]) -> int:
    """The number of threads for a function with this environment: at least one."""
    if environment.get("OMP_NUM_THREADS"):
        return max(1, int(environment["OMP_NUM_THREADS"]))
    return max(1, int(environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0)) // MEGABYTES_PER_PROCESSOR)


@contextmanager
def limited(environment: Mapping[str, str]) -> Iterator[None]:
    """Hold the libraries that are loaded to that number."""
    with threadpool_limits(limits=allowed(environment)):
        yield


def in_use() -> int:
    """The most threads that a loaded library may use."""
    return max((int(pool["num_threads"]) for pool in threadpool_info()), default=1)
