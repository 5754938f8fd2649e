"""The trained pipeline as bytes, in skops' data-only format: no pickle, and only types that we name.

FitFinal saves, EvaluateCandidate loads (the candidate's, and the champion's). A skops file names classes to
import and arrays to put into them; skops trusts all of scikit-learn, we trust what our own pipelines are made
of. Trusted types can still hold harmful content (child indices of trees are not checked when a tree is walked),
so a file is loaded only after its digest was found to be the recorded one.
"""

import io
import json
import zipfile
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import skops.io

from tidemill import canonical
from tidemill.errors import ArtifactCorrupt, ProjectInvalid

ALLOWED = frozenset(
    (
        "builtins.dict",
        "builtins.list",
        "builtins.slice",
        "builtins.str",
        "builtins.tuple",
        "numpy.dtype",
        "numpy.float32",
        "numpy.float64",
        "numpy.int64",
        "numpy.ndarray",
        "numpy.random._generator.Generator",
        "numpy.uint64",
        "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn._loss._loss.CyHalfMultinomialLoss",
        "sklearn._loss._loss.CyHalfSquaredError",
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.ensemble._forest.ExtraTreesClassifier",
        "sklearn.ensemble._forest.ExtraTreesRegressor",
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._forest.RandomForestRegressor",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.linear_model._coordinate_descent.ElasticNet",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.linear_model._ridge.Ridge",
        "sklearn.model_selection._split.KFold",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._encoders.OneHotEncoder",
        "sklearn.preprocessing._encoders.OrdinalEncoder",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.preprocessing._label.LabelEncoder",
        "sklearn.preprocessing._target_encoder.TargetEncoder",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._classes.ExtraTreeClassifier",
        "sklearn.tree._classes.ExtraTreeRegressor",
        "sklearn.tree._tree.Tree",
        "tidemill.training.algorithms.boosters.LightGBMClassifier",
        "tidemill.training.algorithms.boosters.LightGBMRegressor",
        "tidemill.training.calibration.Calibrated",
    )
)
# How a node becomes an object. Left out: those that call functions or methods by name.
LOADERS = frozenset(
    (
        "DTypeNode",
        "DictNode",
        "JsonNode",
        "ListNode",
        "LossNode",
        "NdArrayNode",
        "ObjectNode",
        "RandomGeneratorNode",
        "SliceNode",
        "TreeNode",
        "TupleNode",
        "TypeNode",
    )
)
# What estimators of scikit-learn that are not ours hold besides: a generator's state, which is numbers.
DATA = frozenset(("RandomStateNode", "numpy.random.mtrand.RandomState"))
_SCHEMA = "schema.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def save(pipeline: Any) -> bytes:
    """The pipeline as a skops file. An equal pipeline gives equal bytes."""
    return _canonical(skops.io.dumps(pipeline))


def load(body: bytes, sha256: str, also: Collection[str] = ()) -> Any:
    """The pipeline of a skops file. Raises ArtifactCorrupt when its digest is not `sha256`, when it is not a
    skops file, or when it names a type that is neither in ALLOWED nor in `also`, which are those that the model's
    record names (`extras`; of scikit-learn alone, whatever the record says); nothing of it has been imported or
    built then."""
    found = canonical.sha256(body)
    if found != sha256:
        raise ArtifactCorrupt(
            f"the model file has SHA-256 {found}, recorded is {sha256}; restore it or train again"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            schema = json.loads(archive.read(_SCHEMA))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ArtifactCorrupt(f"the model file is not a skops file ({error}); train again") from error
    known = {name for name in also if _plain(name)}
    foreign = sorted(set(_named(schema)) - ALLOWED - LOADERS - known)
    if foreign:
        raise ArtifactCorrupt(
            f"the model file names the types {foreign}, which no model of ours has; do not use it"
        )
    return skops.io.loads(body, trusted=sorted(ALLOWED | known))


def extras(body: bytes) -> list[str]:
    """The types in a model of a project's own recipe that no other model of ours has. Raises ProjectInvalid if one
    is not of scikit-learn, or if skops does not trust it: data alone shall make a model."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        found = sorted(set(_named(json.loads(archive.read(_SCHEMA)))) - ALLOWED - LOADERS)
    distrusted = set(skops.io.get_untrusted_types(data=body))
    foreign = [name for name in found if not _plain(name) or name in distrusted]
    if foreign:
        raise ProjectInvalid(
            f"a model of the recipe would hold {foreign}, which skops does not save as data alone; build it of"
            " other estimators of scikit-learn, or with other settings (of a neural network, `solver: lbfgs`)"
        )
    return found


def _plain(name: str) -> bool:
    return name.startswith("sklearn.") or name in DATA


def _named(node: Any) -> Iterator[str]:
    """The full names of all types that a schema names, and its loaders."""
    if isinstance(node, dict):
        if "__class__" in node:
            yield f"{node.get('__module__')}.{node['__class__']}"
        if "__loader__" in node:
            yield str(node["__loader__"])
        yield from (name for value in node.values() for name in _named(value))
    elif isinstance(node, list):
        yield from (name for value in node for name in _named(value))


def _canonical(body: bytes) -> bytes:
    """The same file without memory addresses and times. skops identifies nodes, and names their arrays' files,
    by the address of the object, and zip stamps the time; addresses become numbers in the order in which they
    appear. Between the fields of a tree's nodes there is memory that nobody has written, which becomes 0."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        numbers: dict[str, int] = {}
        _renumber(schema, numbers)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as target:
            _add(target, _SCHEMA, json.dumps(schema).encode())
            members = [name for name in archive.namelist() if name != _SCHEMA]
            for name in sorted(members, key=lambda name: numbers[name.split(".")[0]]):
                stem, suffix = name.split(".")
                _add(target, f"{numbers[stem]}.{suffix}", _without_padding(archive.read(name)))
    return buffer.getvalue()


def _without_padding(body: bytes) -> bytes:
    """The bytes of an array file with 0 in what no field of a record covers."""
    array = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
    if array.dtype.names is None:
        return body
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, body: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, date_time=_EPOCH), body, zipfile.ZIP_DEFLATED, compresslevel=6)


def _renumber(node: Any, numbers: dict[str, int]) -> None:
    if isinstance(node, dict):
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(str(node["__id__"]), len(numbers))
        if isinstance(node.get("file"), str):
            stem, suffix = node["file"].split(".")
            node["file"] = f"{numbers.setdefault(stem, len(numbers))}.{suffix}"
        for value in node.values():
            _renumber(value, numbers)
    elif isinstance(node, list):
        for value in node:
            _renumber(value, numbers)
