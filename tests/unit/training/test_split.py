"""The split: rows of later times are held out, every row is used once, equal keys stay together."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.errors import RunFailed
from tidemill.training.split import mixed, split

shares = st.floats(0.01, 0.49)
# Few different values, so that cuts often fall among equal ones.
keys = st.lists(st.integers(0, 12), min_size=3, max_size=80).filter(lambda values: len(set(values)) >= 3)


@given(keys=keys, validation=shares, holdout=shares)
def test_no_row_is_later_than_any_row_of_a_later_part_and_all_rows_are_used_once(
    keys: list[int], validation: float, holdout: float
) -> None:
    values = np.array(keys)
    parts = split(values, validation=validation, holdout=holdout)
    assert list(parts) == ["train", "validation", "holdout"]
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(values)))
    assert all(len(rows) for rows in parts.values())
    assert values[parts["train"]].max() < values[parts["validation"]].min()
    assert values[parts["validation"]].max() < values[parts["holdout"]].min()


@given(count=st.integers(10, 500), validation=shares, holdout=shares)
def test_rows_of_different_times_are_split_in_the_asked_shares(
    count: int, validation: float, holdout: float
) -> None:
    parts = split(np.arange(count), validation=validation, holdout=holdout)
    for part, share in (("validation", validation), ("holdout", holdout)):
        assert abs(len(parts[part]) - max(1, round(count * share))) <= 1


def test_times_are_ordered_as_times() -> None:
    times = pd.to_datetime(["2026-03-01", "2026-01-01", "2026-02-01", "2025-12-01", "2026-04-01"]).to_numpy()
    parts = split(times, validation=0.2, holdout=0.2)
    assert [parts[part].tolist() for part in parts] == [[3, 1, 2], [0], [4]]


@pytest.mark.parametrize("keys", [[], [1], [1, 1, 1, 1], [1, 1, 2, 2]])
def test_too_few_different_times_are_refused_with_a_remedy(keys: list[int]) -> None:
    with pytest.raises(RunFailed, match="upload more data"):
        split(np.array(keys), validation=0.2, holdout=0.2)


def test_a_rows_place_depends_on_its_content_and_the_seed_not_on_its_neighbours() -> None:
    hashes = np.random.default_rng(0).integers(0, 2**63, 5000).astype(np.uint64)
    together, alone = mixed(hashes, 3), mixed(hashes[17:18], 3)
    assert together[17] == alone[0]
    assert len(np.unique(together)) == len(hashes)
    order, other = np.argsort(together), np.argsort(mixed(hashes, 4))
    assert abs(np.corrcoef(order, other)[0, 1]) < 0.05


def test_more_rows_leave_the_held_out_ones_held_out() -> None:
    hashes = np.random.default_rng(0).integers(0, 2**63, 20_000).astype(np.uint64)
    before = split(mixed(hashes[:10_000], 0), validation=0.2, holdout=0.2)
    after = split(mixed(hashes, 0), validation=0.2, holdout=0.2)
    moved = set(before["train"].tolist()) & set(after["holdout"].tolist())
    assert len(moved) < 0.02 * len(after["holdout"])


def test_the_finalizer_is_that_of_splitmix64() -> None:
    # The generator of seed 1234567 gives these numbers; its state before them is a multiple of the golden gamma.
    gamma, seed = 0x9E3779B97F4A7C15, 1234567
    states = np.array([(seed + gamma * n) % 2**64 for n in range(3)], dtype=np.uint64)
    assert mixed(states, 0).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]
