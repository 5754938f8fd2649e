"""How much of the spread of the trials' values each parameter explains.

Functional ANOVA (Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance",
ICML 2014) in Optuna's form, over the trials of one algorithm, rebuilt in memory. The shares are of what a forest
fitted to so few trials explains: they tell where to look, not what is so.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Facts = dict[str, Any]
FEWEST = 10
"""Trials; a forest fitted to fewer says next to nothing."""
_FAR = 50.0
"""Positive values this many times apart count by their logarithm, as searches draw them."""


def importances(trials: Iterable[Mapping[str, Any]]) -> list[Facts]:
    """`{algorithm, trials, shares}` of each algorithm; `shares` maps parameters to their share, largest first, and
    is empty where fewer than FEWEST trials completed or nothing varied."""
    by_algorithm: dict[str, list[Mapping[str, Any]]] = {}
    for trial in trials:
        if trial["state"] == "complete" and trial.get("value") is not None:
            by_algorithm.setdefault(trial["algorithm"], []).append(trial)
    return [
        {"algorithm": algorithm, "trials": len(done), "shares": _shares(done) if len(done) >= FEWEST else {}}
        for algorithm, done in sorted(by_algorithm.items())
    ]


def is_far(values: Sequence[Any]) -> bool:
    """Whether the values are told apart better on a logarithmic scale."""
    return bool(min(values) > 0 and max(values) / min(values) >= _FAR)


def _shares(trials: list[Mapping[str, Any]]) -> dict[str, float]:
    # Not at the top: Optuna takes a second to import, and scikit-learn another.
    import optuna
    from optuna.importance import FanovaImportanceEvaluator

    shared = set.intersection(*(set(trial["parameters"]) for trial in trials))
    columns = {name: [trial["parameters"][name] for trial in trials] for name in sorted(shared)}
    spaces = {name: _range(values) for name, values in columns.items() if len(set(values)) > 1}
    if not spaces or len({trial["value"] for trial in trials}) == 1:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for trial in trials:
        parameters = {name: trial["parameters"][name] for name in spaces}
        study.add_trial(
            optuna.trial.create_trial(params=parameters, distributions=spaces, value=float(trial["value"]))
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = optuna.importance.get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in found.items()}


def _range(values: Sequence[Any]) -> Any:
    """The values that were tried, as a space: what the project's search space was then is not needed."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if any(isinstance(value, bool | str) or value is None for value in values):
        return CategoricalDistribution(sorted(set(values), key=str))
    return FloatDistribution(float(min(values)), float(max(values)), log=is_far(values))
