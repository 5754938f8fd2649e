"""Builds the Lambda layers without Docker: locked wheels for the Lambda platform, trimmed, with bytecode.

Called by `infra/layers.py` at synth. Writes `.tidemill/layers/<name>-<digest>/python/` (and `lib/`), once per
digest of everything that decides the content, so a second synth finds it there and needs no network.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".tidemill" / "layers"
RUNTIME = (3, 13)
DIGITS = 16
KEPT = 8

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: function and layers, unzipped, in bytes
LIMIT = 262_144_000
PLATFORMS = {"x86_64": "x86_64-manylinux_2_34", "arm64": "aarch64-manylinux_2_34"}

# A layer leaves out what the layers beneath it bring; every function that has it has those too.
BENEATH: Mapping[str, tuple[str, ...]] = {
    "core": (),
    "numeric": ("core",),
    "arrow": ("core", "numeric"),
    "ml": ("core", "numeric"),
    "export": ("core", "numeric", "ml"),
    "serve": ("core",),
}
# In the Lambda runtime already. The locks are resolved together with boto3, so what is left agrees with it.
IN_RUNTIME = frozenset(("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"))
# Required by a package's metadata, not by what we import of it: Optuna's relational storage and command line,
# skops' model cards in HTML, onnxruntime's offline optimisation tools.
UNUSED = frozenset(
    (
        *("alembic", "greenlet", "mako", "markupsafe", "pyyaml", "sqlalchemy"),
        *("prettytable", "wcwidth"),
        *("mpmath", "sympy"),
    )
)
# With source and bytecode both, training is 15 MB over the limit. These two carry bytecode alone (where it can
# be made); the others keep their source, skl2onnx because it reads its own.
BYTECODE_ALONE = frozenset(("numeric", "ml"))

# Parts of packages that no function imports: Arrow's file systems, Flight, ORC, headers, and the names under which
# only a linker looks for its libraries; scikit-learn's sample data.
UNUSED_PARTS = (
    *(f"pyarrow/{part}*" for part in ("_flight", "libarrow_flight", "libarrow_python_flight", "libarrow_s3")),
    *(
        f"pyarrow/{part}*"
        for part in ("_s3fs", "_gcsfs", "_azurefs", "_hdfs", "_orc", "_substrait.", "_pyarrow_cpp")
    ),
    *(f"sklearn/datasets/{part}" for part in ("data", "descr", "images")),
    *("pyarrow/src", "pyarrow/include", "pyarrow/libarrow_*.so", "pyarrow/libarrow_python*.so.*.*.*"),
)

# Libraries that a package expects of the system and Lambda's does not have, and the copy that another package of
# the layer brings along under a name of its own. `/opt/lib` is where Lambda's loader looks.
SYSTEM_LIBRARIES = {"libgomp.so.1": "scikit_learn.libs/libgomp-*.so*"}

TRIMMED_FOLDERS = frozenset(("tests", "test", "__pycache__"))
TRIMMED_SUFFIXES = frozenset((".pyi", ".pyx", ".pxd", ".pxi", ".c", ".cpp", ".h", ".hpp", ".cc", ".a", ".f90"))


class LayerBuildFailed(Exception):
    """A layer's packages cannot be had."""


def locked(name: str) -> dict[str, str]:
    """The lock of a layer: package → its block with version, marker and hashes."""
    text = (ROOT / "layers" / name / "requirements.txt").read_text()
    blocks = re.findall(r"^(?=\S)(?!#)(?:.*\\\n)*.*$", text, re.MULTILINE)
    return {re.split(r"[=\[ ]", block, maxsplit=1)[0]: block for block in blocks}


def shipped(name: str) -> dict[str, str]:
    """The part of a layer's lock that the layer holds."""
    left_out = IN_RUNTIME | UNUSED | {package for below in BENEATH[name] for package in locked(below)}
    return {package: block for package, block in sorted(locked(name).items()) if package not in left_out}


def third_party(name: str, *, architecture: str) -> Path:
    """The folder of the layer `name` for that architecture, built if it is not there yet.

    Raises LayerBuildFailed with the resolver's words when a wheel cannot be had."""
    requirements = "\n".join(shipped(name).values()) + "\n"
    digest = _digest([requirements, architecture, _compiler(), Path(__file__).read_text()])
    target = CACHE / f"{name}-{architecture}-{digest}"
    if not target.exists():
        with _fresh(target) as folder:
            install(requirements, folder / "python", architecture=architecture)
            trim(folder / "python")
            provide_libraries(folder)
            compile_bytecode(folder / "python", alone=name in BYTECODE_ALONE)
    return _used(target)


def core(
    projects: Mapping[str, Mapping[str, Any]],
    *,
    architecture: str | None,
    build: Callable[..., Path] = third_party,
) -> Path:
    """The folder of the core layer: the library, the project files as JSON and, if an architecture is given, its
    third-party packages as `build` makes them."""
    sources = {
        **{path.relative_to(_LIBRARY).as_posix(): path.read_bytes() for path in _sources(_LIBRARY)},
        "tidemill_projects/__init__.py": b'"""The deployed project files."""\n',
        **{f"tidemill_projects/{n}.json": json.dumps(p, sort_keys=True).encode() for n, p in projects.items()},
    }
    packages = build("core", architecture=architecture) if architecture else None
    listing = [f"{name} {hashlib.sha256(body).hexdigest()}" for name, body in sorted(sources.items())]
    target = CACHE / f"core-{_digest([*listing, packages.name if packages else 'bare'])}"
    if not target.exists():
        with _fresh(target) as folder:
            if packages:
                shutil.copytree(packages, folder, dirs_exist_ok=True)
            for name, body in sources.items():
                path = folder / "python" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
            if packages:
                compile_bytecode(folder / "python")
    return _used(target)


_LIBRARY = ROOT / "layers" / "core" / "python"


def install(requirements: str, target: Path, *, architecture: str) -> None:
    """Unpack exactly these locked wheels for Lambda's platform into `target`."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock:
        lock.write(requirements)
        lock.flush()
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--only-binary", ":all:", "--python-platform", PLATFORMS[architecture]]
        command += ["--python-version", ".".join(map(str, RUNTIME)), "--target", str(target), "-r", lock.name]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise LayerBuildFailed(
            f"packages for {architecture} could not be installed; the first build of a layer needs the package"
            f" index or uv's cache:\n{done.stderr.strip()}"
        )


def trim(folder: Path) -> None:
    """Remove what no function reads: tests, type stubs, C sources, scripts. Shared objects stay as they are."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and path.name in TRIMMED_FOLDERS:
            shutil.rmtree(path)
        elif path.is_file() and (path.suffix in TRIMMED_SUFFIXES or path.name in ("RECORD", ".lock")):
            path.unlink()
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for part in UNUSED_PARTS:
        for path in folder.glob(part):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def provide_libraries(folder: Path) -> None:
    """Put the SYSTEM_LIBRARIES whose copies are in `python` into `lib`, under the names that are looked for. As
    files: a layer's archive has no links."""
    for name, pattern in SYSTEM_LIBRARIES.items():
        for copy in (folder / "python").glob(pattern):
            (folder / "lib").mkdir(exist_ok=True)
            shutil.copyfile(copy, folder / "lib" / name)


def compile_bytecode(folder: Path, *, alone: bool = False) -> None:
    """Compile for the runtime's Python, where this is that Python; `alone` leaves the bytecode in the source's
    place.

    `/opt` is read-only at run time, so without bytecode each cold start compiles every import. `unchecked-hash`
    needs no file times, which zipping changes."""
    if _compiler() == "none":
        return
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", "/opt/python", *(["-b"] if alone else []), str(folder)]
    subprocess.run(command, check=True)
    for compiled in list(folder.rglob("*.pyc")) if alone else ():
        compiled.with_suffix(".py").unlink(missing_ok=True)


def size(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _compiler() -> str:
    return sys.implementation.cache_tag if sys.version_info[:2] == RUNTIME else "none"


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "__pycache__")


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:DIGITS]


def _used(target: Path) -> Path:
    """`target`, marked as in use; of its predecessors, all but the last few are removed."""
    target.touch()
    name = target.name.rpartition("-")[0]
    versions = CACHE.glob(f"{name}-{'[0-9a-f]' * DIGITS}")
    for old in sorted(versions, key=lambda folder: folder.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return target


class _fresh:
    """A new folder that becomes `target` when the block ends well, so that a killed build leaves no half layer."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __enter__(self) -> Path:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(dir=self.target.parent, prefix=".building-"))
        self.folder.chmod(0o755)
        return self.folder

    def __exit__(self, fault: type[BaseException] | None, *_: object) -> None:
        if fault is None and not self.target.exists():
            self.folder.replace(self.target)
        shutil.rmtree(self.folder, ignore_errors=True)
