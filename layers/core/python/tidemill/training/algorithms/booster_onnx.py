"""LightGBM's trees as a tree ensemble of ONNX.

Not by onnxmltools: its converter takes LightGBM's own estimators, rounds thresholds to the nearest float32, and
comes with the converters of seven other libraries.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

from tidemill.training.algorithms.boosters import LightGBMClassifier, LightGBMRegressor

_DOMAIN = "ai.onnx.ml"


def register() -> None:
    """Tell skl2onnx about both estimators."""
    update_registered_converter(
        LightGBMClassifier,
        "TidemillLightGBMClassifier",
        calculate_linear_classifier_output_shapes,
        _classifier,
        options={"zipmap": [True, False, "columns"], "nocl": [True, False]},
    )
    update_registered_converter(
        LightGBMRegressor, "TidemillLightGBMRegressor", calculate_linear_regressor_output_shapes, _regressor
    )


def _classifier(scope: Any, operator: Any, container: Any) -> None:
    booster = operator.raw_operator
    container.add_node(
        "TreeEnsembleClassifier",
        operator.input_full_names,
        operator.output_full_names,
        op_domain=_DOMAIN,
        name=scope.get_unique_operator_name("LightGBM"),
        classlabels_int64s=[int(each) for each in booster.classes_],
        post_transform="LOGISTIC" if len(booster.classes_) == 2 else "SOFTMAX",
        **_attributes(booster, "class"),
    )


def _regressor(scope: Any, operator: Any, container: Any) -> None:
    container.add_node(
        "TreeEnsembleRegressor",
        operator.input_full_names,
        operator.output_full_names,
        op_domain=_DOMAIN,
        name=scope.get_unique_operator_name("LightGBM"),
        n_targets=1,
        **_attributes(operator.raw_operator, "target"),
    )


def _attributes(booster: Any, leaves: str) -> dict[str, list[Any]]:
    """The attributes of the operator, whose leaves' are named `<leaves>_…`."""
    found: dict[str, list[Any]] = {}

    def add(values: dict[str, Any]) -> None:
        for name, value in values.items():
            found.setdefault(name, []).append(value)

    for tree, root in enumerate(booster.trees()):
        for node, (own, true, false) in enumerate(_numbered(root)):
            add({"nodes_treeids": tree, "nodes_nodeids": node, **_described(own, true, false)})
            if "leaf_value" in own:
                place = tree % booster.trees_a_round
                ids = {"treeids": tree, "nodeids": node, "ids": place, "weights": own["leaf_value"]}
                add({f"{leaves}_{name}": value for name, value in ids.items()})
    return found


def _numbered(root: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int, int]]:
    """The nodes of a tree, each with the numbers of the children: a node's number is its place."""
    nodes, known = [root], 1
    for node in nodes:  # grows meanwhile
        inner = "leaf_value" not in node
        yield node, known if inner else 0, known + 1 if inner else 0
        if inner:
            nodes += [node["left_child"], node["right_child"]]
            known += 2


def _described(node: dict[str, Any], true: int, false: int) -> dict[str, Any]:
    """What an ensemble says of a node. Where a feature had no missing value in training, LightGBM takes one for
    0; else the node says where it goes."""
    leaf = "leaf_value" in node
    threshold = 0.0 if leaf else node["threshold"]
    missing_left = not leaf and (node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0)
    return {
        "nodes_featureids": 0 if leaf else node["split_feature"],
        "nodes_modes": "LEAF" if leaf else "BRANCH_LEQ",
        "nodes_values": rounded_down(threshold),
        "nodes_truenodeids": true,
        "nodes_falsenodeids": false,
        "nodes_missing_value_tracks_true": int(missing_left),
    }


def rounded_down(threshold: float) -> float:
    """The greatest float32 that is not above: for float32 x, `x <= threshold` stays what it was."""
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
    return float(np.nextafter(nearest, np.float32(-np.inf)) if float(nearest) > threshold else nearest)
