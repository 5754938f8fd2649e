"""Optuna studies in the table: the storage that any worker, notebook or dashboard opens."""
