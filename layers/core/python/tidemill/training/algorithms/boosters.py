"""LightGBM's boosted trees as estimators of scikit-learn's kind, whose state is plain: parameters and a text.

LightGBM's own estimators hold a handle of its library, which only pickle can store. These hold LightGBM's native
text format, and make the handle of it when they are asked. The text is without the parameters that LightGBM
appends, since those name threads and machines: equal trees give equal text.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from tidemill.errors import LibraryMissing
from tidemill.training import threads
from tidemill.training.team import Team

_CONNECT_MINUTES = 10
"""How long LightGBM's machines wait for each other: as much as one may need longer to prepare its columns."""
_END = "end of trees\n"
_LOADED: dict[str, Any] = {}


def library() -> Any:
    """LightGBM, loaded when it is first needed: whoever fits nothing of it needs no OpenMP on the machine. Raises
    LibraryMissing."""
    if not _LOADED:
        limit = threads.in_use()
        try:
            import lightgbm
        except OSError as error:
            raise LibraryMissing(
                f"LightGBM cannot be loaded ({error}): it needs libgomp.so.1, which the layer `ml` has in `lib`; "
                "elsewhere install it (Debian: apt-get install libgomp1), or take `lightgbm` out of "
                "`search.algorithms`"
            ) from error
        # It brings an OpenMP of its own, which whoever has limited the libraries before could not know.
        threadpool_limits(limits=limit, user_api="openmp")
        _LOADED["lightgbm"] = lightgbm
    return _LOADED["lightgbm"]


class _LightGBM(BaseEstimator):  # type: ignore[misc]
    """What both tasks have in common. `model_` is the text; with `warm_start` a fit goes on with it, up to
    `n_estimators` trees. `class_weight` is for classes alone."""

    model_: str

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        num_leaves: int = 31,
        min_child_samples: int = 20,
        reg_lambda: float = 0.0,
        class_weight: str | None = None,
        random_state: int = 0,
        warm_start: bool = False,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.reg_lambda = reg_lambda
        self.class_weight = class_weight
        self.random_state = random_state
        self.warm_start = warm_start

    def _grow(
        self, inputs: ArrayLike, target: ArrayLike, weights: NDArray[np.float64] | None, team: Team | None
    ) -> Self:
        lightgbm = library()
        rows, labels = _numbers(inputs), np.asarray(target)
        own = team.share(len(rows)) if team else slice(None)
        begun = self._booster() if self.warm_start and hasattr(self, "model_") else None
        try:
            booster = lightgbm.train(
                {**self._settings(), **(_network(team) if team else {})},
                lightgbm.Dataset(rows[own], labels[own], weight=None if weights is None else weights[own]),
                num_boost_round=self.n_estimators - (begun.num_trees() // self.trees_a_round if begun else 0),
                init_model=begun,
            )
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(f"lightgbm: {error}") from error
        trees, end, _ = booster.model_to_string().partition(_END)
        self.model_ = trees + end
        self._handle = None
        return self

    def _settings(self) -> Mapping[str, Any]:
        """LightGBM's parameters. A histogram is summed by one thread in the order of the rows (`force_col_wise`),
        so that the number of threads changes no bit. Nothing is drawn, so that trees grow in parts as in one go:
        LightGBM does not store the state of its generators."""
        return {
            **self._objective(),
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_child_samples": self.min_child_samples,
            "reg_lambda": self.reg_lambda,
            "seed": self.random_state % 2**31,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": threads.in_use(),
            "verbosity": -1,
        }

    def _objective(self) -> Mapping[str, Any]:
        raise NotImplementedError

    @property
    def trees_a_round(self) -> int:
        """How many trees `n_estimators` counts as one: of several classes each has its own."""
        return 1

    def _booster(self) -> Any:
        if getattr(self, "_handle", None) is None:
            self._handle = library().Booster(model_str=self.model_)
        return self._handle

    def _answers(self, inputs: ArrayLike) -> NDArray[np.float64]:
        answers: NDArray[np.float64] = self._booster().predict(_numbers(inputs), num_threads=threads.in_use())
        return answers

    def trees(self) -> list[dict[str, Any]]:
        """The structure of each tree, as LightGBM dumps it."""
        found: list[dict[str, Any]] = [
            tree["tree_structure"] for tree in self._booster().dump_model()["tree_info"]
        ]
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_handle"}


class LightGBMClassifier(ClassifierMixin, _LightGBM):  # type: ignore[misc]
    """Two classes or more, by the log loss."""

    def fit(self, inputs: ArrayLike, target: ArrayLike, team: Team | None = None) -> Self:
        """Inputs of shape [n, columns], the classes of shape [n], all rows on each machine. Raises ValueError if
        there is one class alone, or where LightGBM cannot work with the inputs."""
        self.classes_, numbers = np.unique(np.asarray(target), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"lightgbm: two classes are needed, the rows have {len(self.classes_)}")
        weights = compute_sample_weight(self.class_weight, numbers) if self.class_weight else None
        return self._grow(inputs, numbers, weights, team)

    def predict_proba(self, inputs: ArrayLike) -> NDArray[np.float64]:
        """The probability of each class, shape [n, classes]."""
        chance = self._answers(inputs)
        return np.stack([1.0 - chance, chance], axis=1) if chance.ndim == 1 else chance

    def predict(self, inputs: ArrayLike) -> NDArray[Any]:
        """The most probable class, shape [n]."""
        chosen: NDArray[Any] = self.classes_[self.predict_proba(inputs).argmax(axis=1)]
        return chosen

    @property
    def trees_a_round(self) -> int:
        return len(self.classes_) if len(self.classes_) > 2 else 1

    def _objective(self) -> Mapping[str, Any]:
        if len(self.classes_) == 2:
            return {"objective": "binary"}
        return {"objective": "multiclass", "num_class": len(self.classes_)}


class LightGBMRegressor(RegressorMixin, _LightGBM):  # type: ignore[misc]
    """Values, by the squared error."""

    def fit(self, inputs: ArrayLike, target: ArrayLike, team: Team | None = None) -> Self:
        """Inputs of shape [n, columns], the values of shape [n], all rows on each machine; LightGBM keeps values
        in float32. Raises ValueError where it cannot work with the inputs."""
        return self._grow(inputs, target, None, team)

    def predict(self, inputs: ArrayLike) -> NDArray[np.float64]:
        """The values, shape [n]."""
        return self._answers(inputs)

    def _objective(self) -> Mapping[str, Any]:
        return {"objective": "regression"}


def _numbers(inputs: ArrayLike) -> NDArray[np.float32]:
    return np.ascontiguousarray(inputs, dtype=np.float32)


def _network(team: Team) -> dict[str, Any]:
    """The parameters of LightGBM's own distributed learner, in which each machine has a share of the rows, and all
    of them sum their histograms: https://lightgbm.readthedocs.io/en/stable/Parallel-Learning-Guide.html."""
    return {
        "tree_learner": "data",
        "pre_partition": True,
        "machines": ",".join(team.machines),
        "num_machines": len(team.machines),
        "local_listen_port": team.port,
        "time_out": _CONNECT_MINUTES,
    }
