"""What a run was made with: versions of the libraries, digest of our own code."""

import platform
from importlib import metadata
from pathlib import Path

from tidemill import canonical

LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "optuna", "skops", "onnx", "skl2onnx")


def versions() -> dict[str, str]:
    """The version of Python and of those libraries that this function has."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def code_digest() -> str:
    """SHA-256 over the paths and sources of the package `tidemill`."""
    root = Path(__file__).resolve().parents[1]
    sources = sorted(root.glob("**/*.py"))
    return canonical.identity([[path.relative_to(root).as_posix(), path.read_text()] for path in sources])
