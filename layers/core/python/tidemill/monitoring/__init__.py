"""Stage `monitoring`: captured predictions are compared with the reference profile, and acted on once."""
