"""Sets of lines: nothing is lost, and many take little."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.data.formats.line_set import LineSet


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 5000), max_size=40), max_size=6))
def test_it_has_what_was_added(blocks: list[list[int]]) -> None:
    lines = LineSet()
    for block in blocks:
        lines.add(np.array(block, np.int64))
    assert lines.ascending().tolist() == sorted({line for block in blocks for line in block})
    assert lines.ascending().dtype == np.int64


def test_many_lines_take_a_bit_each_and_few_no_more_than_themselves() -> None:
    many, few = LineSet(), LineSet()
    many.add(np.arange(10**12, 10**12 + 80_000))
    assert many.nbytes == 10_000
    few.add(np.array([1, 10**12]))
    assert few.nbytes == 16
    assert few.ascending().tolist() == [1, 10**12]
