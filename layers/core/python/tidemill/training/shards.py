"""A forest that several workers grow, each its share of the trees; merged, it is the forest of one fit.

Every tree of a forest has a seed of its own, which scikit-learn draws in the order of the trees; so a worker that
knows how many trees come before its own grows just those that one process would have grown in their place.
"""

from collections.abc import Mapping, Sequence

from sklearn.pipeline import Pipeline

from tidemill.projects import Project
from tidemill.projects.search import Algorithm
from tidemill.training import algorithms, calibration, pipeline
from tidemill.training.algorithms import columns
from tidemill.training.algorithms.family import COLUMNS, ESTIMATOR
from tidemill.training.prepare import Arrays


def span(trees: int, shard: int, of: int) -> tuple[int, int]:
    """The first tree of a shard, and the one after its last, of `of` shards that differ by one tree at most."""
    return trees * shard // of, trees * (shard + 1) // of


def grow(
    algorithm: Algorithm,
    parameters: Mapping[str, int | float],
    arrays: Arrays,
    *,
    project: Project,
    seed: int,
    shard: int,
    of: int,
) -> Pipeline:
    """The pipeline with the trees of that shard alone (of 0 to `of` - 1). Raises what `pipeline.fit` raises."""
    rows = calibration.fitted_on(arrays, project)
    frame, target = pipeline.to_frame(rows, project.inputs()), pipeline.known(rows, project)
    grown = algorithms.of(algorithm, project).build(parameters, frame, project, seed)
    forest = grown[ESTIMATOR]
    first, last = span(forest.n_estimators, shard, of)
    # A forest that already has trees goes on behind them; those before ours are only counted.
    forest.estimators_ = [None] * first
    forest.set_params(n_estimators=last, warm_start=True)
    forest.fit(grown[COLUMNS].fit_transform(frame, target), target)
    columns.settle(grown[COLUMNS])
    # Set anew, so that the attributes are in the order of any forest's, and the file is the same.
    trees = forest.__dict__.pop("estimators_")
    forest.estimators_ = trees[first:]
    return grown


def merged(shards: Sequence[Pipeline]) -> Pipeline:
    """One pipeline of all shards, in their order."""
    whole, *others = shards
    forest = whole[ESTIMATOR]
    settings = forest.estimators_[0].get_params(deep=False)
    del settings["random_state"]
    for other in others:
        for tree in other[ESTIMATOR].estimators_:
            # The very same objects: a file has each once, however many trees have it.
            vars(tree).update(settings)
    forest.estimators_ = [tree for each in (whole, *others) for tree in each[ESTIMATOR].estimators_]
    forest.set_params(n_estimators=len(forest.estimators_), warm_start=False)
    return whole
