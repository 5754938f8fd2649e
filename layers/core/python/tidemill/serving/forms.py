"""In what form a model is served: which of its files, and which of them an endpoint opens."""

from collections.abc import Mapping
from typing import Any

from tidemill.errors import ArtifactCorrupt

ONNX, SKOPS = "onnx", "skops"
FORMS = (ONNX, SKOPS)


def form_of(document: Mapping[str, Any]) -> str:
    """ONNX, unless the model's document (`model.json`) says otherwise. Raises ArtifactCorrupt for a form that no
    endpoint opens."""
    form: str = document.get("form", ONNX)
    if form not in FORMS:
        raise ArtifactCorrupt(f"model.json says that the model is served as {form!r}; endpoints open {FORMS}")
    return form


def file_of(document: Mapping[str, Any]) -> str:
    """The file that is served of a model. Raises ArtifactCorrupt as `form_of` does."""
    return f"model.{form_of(document)}"
