"""What a run was made with: libraries, our own code, its locks and its commit, the processor's arithmetic.

PlanTrials and FitFinal record it; `reproduce` compares it with what it finds where it runs.
"""

import json
import platform
import zlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from tidemill import canonical, env_names

LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "lightgbm", "optuna", "skops", "onnx", "skl2onnx")


def record(source: Mapping[str, Any]) -> dict[str, Any]:
    """What PlanTrials pins: `{versions, code, lock, git}`. `source` is what synth knew, `{lock, git}` as
    infra/source.py tells them; what it lacks is None."""
    told = {name: source.get(name) for name in ("lock", "git")}
    return {"versions": versions(), "code": code_digest(), **told}


def source_of(environment: Mapping[str, str]) -> dict[str, Any]:
    """What synth wrote into a function's environment; empty if it wrote nothing."""
    told: dict[str, Any] = json.loads(environment.get(env_names.ENV_SOURCE) or "{}")
    return told


def versions() -> dict[str, str]:
    """The version of Python and of those libraries that this function has."""
    found = {"python": platform.python_version(), "zlib": zlib.ZLIB_RUNTIME_VERSION}
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


def machine() -> dict[str, str]:
    """What the last bits of a sum depend on beside the libraries' versions: the processor's kind (`processor`),
    the kernels that the linear algebra chose for it (`blas`), and the instructions that NumPy found (`simd`)."""
    pools = {
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip()
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    }
    found: Any = np.show_config(mode="dicts")
    simd = found.get("SIMD Extensions", {}).get("found", [])
    return {"processor": platform.machine(), "blas": ", ".join(sorted(pools)), "simd": " ".join(simd)}
