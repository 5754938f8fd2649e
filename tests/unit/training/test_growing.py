"""Fits that are watched: part after part, with the same result as in one go."""

from typing import Any

import numpy as np
import pytest

from tidemill import projects
from tidemill.training import artifacts, pipeline
from tidemill.training.prepare import Arrays

PARAMETERS = {
    "linear": {},
    "gradient_boosting": {"max_iter": 37, "min_samples_leaf": 5, "max_leaf_nodes": 9},
    "lightgbm": {"n_estimators": 37, "min_child_samples": 5, "num_leaves": 9},
    "random_forest": {"max_leaf_nodes": 32, "max_features": 0.5},
    "elastic_net": {"l1_ratio": 0.5},
    "extra_trees": {"max_leaf_nodes": 32, "max_features": 0.5},
}
each = pytest.mark.parametrize("algorithm", PARAMETERS)
both = pytest.mark.parametrize("task", ["classification", "named", "regression"])


def project_of(task: str) -> projects.Project:
    kinds = {"level": "number", "wind": "category", "full": "number"}
    columns: dict[str, Any] = {name: {"type": kind, "nullable": True} for name, kind in kinds.items()}
    if task == "named":
        columns["full"] = {"type": "category", "allowed": ["neap", "mean", "spring"]}
    return projects.parse(
        {
            "name": "tides",
            "description": "Is the mill pond full?",
            "task": "regression" if task == "regression" else "classification",
            "target": "full",
            "columns": columns,
            "features": ["level", "wind"],
        }
    )


def arrays_of(task: str, count: int = 500) -> Arrays:
    random = np.random.default_rng(4)
    level = random.normal(size=count).astype(np.float32)
    wind = random.choice(["N", "E", "S", "W"], count)
    strength = level + (wind == "N") + random.normal(size=count)
    level[::9] = np.nan
    targets = {
        "classification": (strength > 0).astype(float),
        "named": np.searchsorted([0.0, 1.0], strength).astype(float),
        "regression": strength,
    }
    return {"level": level, "wind": wind, "full": targets[task]}


@each
@both
def test_watched_or_not_the_model_is_the_same_bit_by_bit(algorithm: Any, task: str) -> None:
    project, arrays = project_of(task), arrays_of(task)
    seen: list[tuple[int, int, np.ndarray]] = []

    def watch(step: int, of: int, model: Any) -> None:
        seen.append((step, of, pipeline.predict(model, arrays, project.inputs(), project.classes)))

    plain = pipeline.fit(algorithm, PARAMETERS[algorithm], arrays, project=project, seed=3)
    watched = pipeline.fit(algorithm, PARAMETERS[algorithm], arrays, project=project, seed=3, on_step=watch)
    assert artifacts.save(watched) == artifacts.save(plain)
    parts = 1 if algorithm in ("linear", "elastic_net") else pipeline.STEPS
    assert [(step, of) for step, of, _ in seen] == [(step, parts) for step in range(1, parts + 1)]
    assert (seen[-1][2] == pipeline.predict(plain, arrays, project.inputs(), project.classes)).all()
    if parts > 1:
        assert not np.array_equal(seen[0][2], seen[-1][2]), "the first part is not the whole"


def test_fewer_trees_than_parts_make_fewer_parts() -> None:
    seen: list[tuple[int, int]] = []
    project, arrays = project_of("regression"), arrays_of("regression")
    pipeline.fit(
        "gradient_boosting",
        {"max_iter": 3},
        arrays,
        project=project,
        seed=3,
        on_step=lambda step, of, _: seen.append((step, of)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


@each
def test_who_watches_can_end_the_fit(algorithm: Any) -> None:
    class Enough(Exception):
        pass

    def watch(step: int, of: int, _: Any) -> None:
        if step == min(2, of):
            raise Enough

    with pytest.raises(Enough):
        pipeline.fit(
            algorithm,
            PARAMETERS[algorithm],
            arrays_of("classification"),
            project=project_of("classification"),
            seed=3,
            on_step=watch,
        )
