"""Both arms of an experiment in one function version, and which of them an entity is given.

Packed by release/arms.py, while entities are assigned. An arm's `variant` is the function version that has its
model alone, so that what is captured means the same whichever version it came through (docs/decisions/0006).
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidemill.errors import ArtifactCorrupt
from tidemill.release.assignment import arm
from tidemill.serving import layer_files
from tidemill.serving.model import Model, load_from


class Experiment:
    """The arms in a folder of model layers, which must be of that project, if one is given. `document` is its
    `experiment.json`."""

    by_entity = True

    def __init__(self, files: Path, *, project: str | None = None) -> None:
        self.document: Mapping[str, Any] = json.loads((files / layer_files.ARMS).read_bytes())
        self._files, self._project = files, project
        self._models: dict[str, Model] = {}
        for variant in self.document["variants"]:
            # All while Lambda initializes. One that is corrupt leaves the others alone: who is given it is told.
            with suppress(ArtifactCorrupt):
                self.model(variant)

    def variant(self, entity_id: str | None) -> str:
        """Whose answer that entity is given; the champion's where none is told, and the request is refused."""
        number = arm(entity_id, self.document["salt"], self.document["weights"]) if entity_id is not None else 0
        return str(self.document["variants"][number])

    def model(self, variant: str) -> Model:
        """The model of an arm. Raises ArtifactCorrupt, each time it is asked for."""
        if variant not in self._models:
            number = self.document["variants"].index(variant)
            self._models[variant] = load_from(self._files / layer_files.of_arm(number), project=self._project)
        return self._models[variant]
