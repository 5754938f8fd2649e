"""Stage `training`: a dataset version becomes a candidate model with its evidence."""
