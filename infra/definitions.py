"""The one loader of `statemachines/<stage>.asl.json`: checks the file, knows what it names, fills in the
identities.

Used by the infrastructure, by local runs and by the tests. An ASL file is valid JSON before substitution, and
its only placeholders are `${VerbNoun}` (a function's ARN) and `${<Stage>Machine}` (a state machine's ARN).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "statemachines"
WORDS = ("release", "training", "data", "monitoring", "serving")
"""The machines, each after those that it starts."""

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Z][A-Za-z]+")


class DefinitionInvalid(Exception):
    """A state machine file cannot be used as it is."""


@dataclass(frozen=True)
class Definition:
    """A state machine file. `functions` and `machines` are the placeholders, in order of appearance."""

    word: str
    text: str
    functions: tuple[str, ...]
    machines: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The parsed file, with its placeholders."""
        document: dict[str, Any] = json.loads(self.text)
        return document

    @property
    def distributes(self) -> bool:
        """Whether a Map of it starts executions of its own."""
        maps = [state["ItemProcessor"] for _, state in states(self.document()) if "ItemProcessor" in state]
        return any(each.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED" for each in maps)

    def filled(self, identities: Mapping[str, str]) -> str:
        """The text with each placeholder replaced. Raises DefinitionInvalid naming what has no identity."""
        missing = [name for name in (*self.functions, *self.machines) if name not in identities]
        if missing:
            raise DefinitionInvalid(
                f"{self.word}.asl.json names {missing}, which do not exist; known are {sorted(identities)}"
            )
        return _PLACEHOLDER.sub(lambda found: identities[found[1]], self.text)


def load(word: str, *, folder: Path = FOLDER) -> Definition:
    """The state machine of that stage word. Raises DefinitionInvalid."""
    path = folder / f"{word}.asl.json"
    try:
        text = path.read_text(encoding="utf-8")
        json.loads(text)
    except (OSError, ValueError) as error:
        raise DefinitionInvalid(f"{path}: {error}") from error
    placeholders = tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))
    wrong = [name for name in placeholders if not _NAME.fullmatch(name)]
    if wrong:
        raise DefinitionInvalid(f"{path}: placeholders {wrong} are not ${{VerbNoun}}; write values in JSONata")
    machines = tuple(name for name in placeholders if name.endswith("Machine"))
    return Definition(word, text, tuple(name for name in placeholders if name not in machines), machines)


def states(document: Mapping[str, Any], *, within: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every state of a definition with its path (`RunTrials/RunTrial`), those inside Map and Parallel too."""
    for name, state in document["States"].items():
        yield within + name, state
        inner = [state["ItemProcessor"]] if "ItemProcessor" in state else state.get("Branches", [])
        for branch in inner:
            yield from states(branch, within=f"{within}{name}/")
