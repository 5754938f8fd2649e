"""Search algorithms that Optuna does not have, or not without torch, as Optuna samplers."""
