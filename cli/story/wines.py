"""Wines of three cultivars as a file for `projects/wines.yaml`, from the data that scikit-learn ships. Called by
tests; no step of the story needs it."""

import numpy as np
import pandas as pd

CULTIVARS = ("Barolo", "Grignolino", "Barbera")
"""The classes 0, 1 and 2 of scikit-learn's copy, which leaves the names out; those of Forina et al."""
_RENAMED = {"od280/od315_of_diluted_wines": "od280_od315"}


def wines(*, seed: int) -> pd.DataFrame:
    """All 178 wines, in an order drawn from `seed`: the package sorts them by cultivar."""
    # Not at the top: the CLI starts without scikit-learn.
    from sklearn.datasets import load_wine

    found = load_wine(as_frame=True)
    frame: pd.DataFrame = found.data.rename(columns=_RENAMED)
    frame.insert(0, "cultivar", np.asarray(CULTIVARS)[found.target])
    return frame.sample(frac=1, random_state=seed, ignore_index=True)


def to_csv(frame: pd.DataFrame) -> bytes:
    """The file to upload."""
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode()
