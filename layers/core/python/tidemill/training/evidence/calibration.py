"""Calibration: whether of the rows given a probability of 0.3, three in ten are positive. Of named classes it is
that of the most probable one (`outputs.reliability`)."""

from typing import Any

import numpy as np

from tidemill.training.evidence.intervals import wilson
from tidemill.training.metrics import Array

BINS = 10


def calibration(target: Array, chance: Array) -> dict[str, Any]:
    """The reliability table over equally wide bins, the expected and the largest calibration error (Naeini, Cooper
    & Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning"), and the decomposition of
    the Brier score into reliability - resolution + uncertainty (Murphy 1973, "A new vector partition of the
    probability score"). Within bins forecasts differ, so that the parts leave a rest (`within_bins`; Stephenson,
    Coelho & Jolliffe 2008). Shapes [n]."""
    places = np.minimum((chance * BINS).astype(np.int64), BINS - 1)
    rows = np.bincount(places, minlength=BINS)
    used = rows > 0
    counts = rows[used]
    said = np.bincount(places, weights=chance, minlength=BINS)[used] / counts
    hits = np.bincount(places, weights=target, minlength=BINS)[used]
    seen, share, rate = hits / counts, counts / len(target), float(target.mean())
    gaps = np.abs(said - seen)
    low, high = wilson(hits, counts)
    brier = float(((chance - target) ** 2).mean())
    parts = {
        "reliability": float((share * (said - seen) ** 2).sum()),
        "resolution": float((share * (seen - rate) ** 2).sum()),
        "uncertainty": rate * (1 - rate),
    }
    rest = brier - (parts["reliability"] - parts["resolution"] + parts["uncertainty"])
    columns = (np.flatnonzero(used) / BINS, counts, said, seen, low, high)
    names = ("from", "rows", "predicted", "observed", "low", "high")
    return {
        "expected_error": float((share * gaps).sum()),
        "largest_error": float(gaps.max()),
        "brier": {"score": brier, **parts, "within_bins": rest},
        "bins": [dict(zip(names, row, strict=True)) for row in zip(*(c.tolist() for c in columns), strict=True)],
    }
