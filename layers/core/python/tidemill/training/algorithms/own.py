"""The algorithm `own`: what a project's `recipe.py` builds.

The file's text is part of the project, so that the plan of a run pins it and every worker has it: functions,
machines of SageMaker, this process. The code runs where models are fitted, never where they are served.
"""

import linecache
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from tidemill.errors import ProjectInvalid
from tidemill.projects import Project
from tidemill.training.algorithms.family import Axis, Family, Parameters, Task, on_columns

ASKED_FOR = ("space", "build")


def own(project: Project) -> Family:
    """The family of the project's own recipe. What it gives raises ProjectInvalid if its code cannot be used."""
    path = f"projects/{project.name}/recipe.py"

    def recipe() -> ModuleType:
        # Not before it is asked: who only wants to know what kind of family it is runs none of its code.
        return _loaded(path, str(project.recipe.own))

    def space(task: Task) -> Mapping[str, Axis]:
        found = _call(path, recipe().space, task)
        if not isinstance(found, Mapping) or not all(isinstance(axis, Axis) for axis in found.values()):
            raise ProjectInvalid(f"{path}: space gave {found!r}; it must give number(...) or whole(...) by name")
        return found

    def build(parameters: Parameters, frame: pd.DataFrame, project: Project, seed: int) -> Pipeline:
        built = _call(path, recipe().build, dict(parameters), project=project, frame=frame, seed=seed)
        if isinstance(built, Pipeline):
            return built
        if not hasattr(built, "fit"):
            raise ProjectInvalid(
                f"{path}: build gave {built!r}; it must give an estimator or a pipeline, unfitted"
            )
        # Not all estimators take sparse columns, and most of scikit-learn's do not say.
        prepared = on_columns(
            lambda *_: built, linear=bool(getattr(recipe(), "SCALED", False)), takes_sparse=False
        )
        return prepared(parameters, frame, project, seed)

    return Family(space, build, own=True)


@lru_cache(maxsize=8)
def _loaded(path: str, source: str) -> ModuleType:
    module = ModuleType(path)
    module.__file__ = path
    # So that a traceback shows the lines.
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    _call(path, exec, compile(source, path, "exec"), vars(module))
    lacking = [name for name in ASKED_FOR if not callable(getattr(module, name, None))]
    if lacking:
        raise ProjectInvalid(f"{path} has no function {', '.join(lacking)}; see docs/recipes.md")
    return module


def _call(path: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the project's code gives. Whatever it raises is a fault of that code, told with its line."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        where = f"{path}, line {lines[-1]}" if lines else path
        raise ProjectInvalid(f"{where}: {type(error).__name__}: {error}") from error
