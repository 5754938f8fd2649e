"""Whether a version's paths can become files below a folder, on any file system. Pure; `pull` asks first.

A path is whatever stood behind `incoming/<project>/` in a key: anybody who may upload chooses it.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from tidemill.errors import RequestInvalid

OWN = ".tidemill-"
LONGEST = 240  # bytes of a name: most file systems take 255, a download in progress adds a few
SHOWN = 5
_DRIVE = re.compile(r"[A-Za-z]:")


def require_safe(paths: Iterable[str]) -> None:
    """Raises RequestInvalid, naming the paths, if one of them could end outside the folder, or in another file."""
    paths = list(paths)
    faults = [f"{path!r} {fault}" for path in paths if (fault := fault_of(path))]
    faults += [f"{path!r} is a file and a folder" for path in _both(paths)]
    if faults:
        rest = f", and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise RequestInvalid(
            "path", f"{', '.join(faults[:SHOWN])}{rest}; read such files one by one with `Dataset.open(path)`"
        )


def fault_of(path: str) -> str | None:
    """What is wrong with a path; None if it is safe."""
    parts = path.split("/")
    if not path or path.startswith("/"):
        return "is absolute" if path else "is empty"
    if _DRIVE.match(path) or "\\" in path:
        return "is a path of Windows"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in path):
        return "has control characters"
    if any(part in ("", ".", "..") for part in parts):
        return "leads through '..', '.' or an empty name"
    if any(len(part.encode()) > LONGEST for part in parts):
        return f"has a name of more than {LONGEST} bytes"
    if parts[0].startswith(OWN) or (parts[-1].startswith(".") and parts[-1].endswith(".part")):
        return "has a name that a download in progress uses"
    return None


def collisions(paths: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of paths that are one file where case, or the form of accents, does not tell names apart."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        groups[unicodedata.normalize("NFC", path).casefold()].append(path)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _both(paths: list[str]) -> list[str]:
    folders = {"/".join(parts[:end]) for parts in (p.split("/") for p in paths) for end in range(1, len(parts))}
    return [path for path in paths if path in folders]
