"""How many threads a function may use."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from tidemill.training.threads import allowed, limited


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({}, 1),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}, 1),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008"}, 1),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3538"}, 2),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "10240"}, 5),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "10240", "OMP_NUM_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "0"}, 1),
    ],
)
def test_threads_follow_the_memory_unless_they_are_given(environment: dict[str, str], threads: int) -> None:
    assert allowed(environment) == threads


def test_the_libraries_that_are_loaded_are_held_to_it() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    with limited({"OMP_NUM_THREADS": "1"}):
        assert {library["num_threads"] for library in threadpool_info()} == {1}
