"""Pull a dataset version into a folder, so that it holds exactly the version's bytes.

Called by the client and `tidemill data pull`. It may be killed at any point and run again: what is complete is not
fetched again, what is half there goes on, and `.tidemill-version.json` is there only when all is. A file that no
pull brought, or that was changed since, is never replaced unasked, and no file is ever removed.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tidemill.data import checkout, safe_paths
from tidemill.data.checkout import Found, Known
from tidemill.data.fetch import Meter, Progress, fetch
from tidemill.data.manifests import File
from tidemill.errors import ArtifactCorrupt, ConflictError, RecordNotFound, RequestInvalid, TidemillError
from tidemill.ports import ObjectStore

JOBS = 8
SHOWN = 5


@dataclass(frozen=True)
class Plan:
    """What pulling means for each file. `present`: there; `missing`; `outdated`: there as an earlier pull left it;
    `changed`: there with bytes that no pull brought. `blocked`: paths where a folder or a link is in the way;
    `extra`: what lies there and is no file of the version."""

    present: tuple[File, ...]
    missing: tuple[File, ...]
    outdated: tuple[File, ...]
    changed: tuple[File, ...]
    blocked: tuple[str, ...]
    extra: tuple[str, ...]


@dataclass(frozen=True)
class Pulled:
    """What a pull did: paths that were `fetched`, of these `replaced`; `present` before; `extra` files that stay;
    `collisions`: names that are one file on other file systems. `size`: bytes of the version, `received`: bytes
    that came over the wire."""

    folder: Path
    fetched: tuple[str, ...]
    replaced: tuple[str, ...]
    present: tuple[str, ...]
    extra: tuple[str, ...]
    collisions: tuple[tuple[str, ...], ...]
    size: int
    received: int


def plan(files: Iterable[File], found: Found, digests: Mapping[str, str], known: Known) -> Plan:
    """Compare a version with a folder. `digests`: of the files that are there; `known`: see checkout."""
    kinds: dict[str, list[File]] = {kind: [] for kind in ("present", "missing", "outdated", "changed")}
    blocked, files = [], list(files)
    for file in files:
        parents = {parent.as_posix() for parent in Path(file.path).parents}
        if file.path in found.folders or parents & found.files:
            blocked.append(file.path)
        else:
            kinds[_kind(file, digests.get(file.path), known)].append(file)
    partial = {checkout.partial(Path(file.path)).as_posix() for file in files}
    extra = sorted(found.files - partial - {file.path for file in files})
    return Plan(
        **{kind: tuple(those) for kind, those in kinds.items()}, blocked=tuple(blocked), extra=tuple(extra)
    )


def pull(
    folder: Path,
    *,
    project: str,
    version: int,
    identity: str,
    files: Iterable[File],
    objects: ObjectStore,
    force: bool = False,
    jobs: int = JOBS,
    progress: Progress | None = None,
) -> Pulled:
    """Make `folder` hold the version, `jobs` files at a time. `force` replaces files that were changed.
    `progress(done, total)` is called from any thread, in bytes.

    Raises RequestInvalid (a path that is not safe), ConflictError (files that are somebody's own; another pull),
    ArtifactCorrupt or RecordNotFound (an object that is damaged or gone; every other file is there then).
    """
    files = list(files)
    safe_paths.require_safe(file.path for file in files)
    folder.mkdir(parents=True, exist_ok=True)
    with checkout.locked(folder), ThreadPoolExecutor(max(1, jobs)) as pool:
        collisions = safe_paths.collisions(file.path for file in files)
        if collisions and not checkout.tells_case_apart(folder):
            raise RequestInvalid("path", f"{_listed(collisions[0])} are one file in {folder}; choose another disk")
        known, found = checkout.known(folder), checkout.survey(folder)
        there = [file.path for file in files if file.path in found.files]
        digests = dict(zip(there, pool.map(lambda path: _digest(folder / path), there), strict=True))
        planned = plan(files, found, digests, known)
        _require_nobodys(planned, folder, force)
        replaced = (*planned.outdated, *planned.changed)
        wanted = (*planned.missing, *replaced)
        holds = {"project": project, "version": version, "identity": identity}
        holds["files"] = [file.model_dump(mode="json") for file in files]
        meter = Meter(sum(file.size for file in files), progress)
        meter.found(sum(file.size for file in planned.present))
        if wanted or checkout.receipt(folder) != holds:
            checkout.begin(folder, known, files)
            _fetch_all(wanted, folder, objects, meter, pool)
            checkout.finish(folder, holds)
    return Pulled(
        folder=folder,
        fetched=_paths(wanted),
        replaced=_paths(replaced),
        present=_paths(planned.present),
        extra=planned.extra,
        collisions=tuple(collisions),
        size=sum(file.size for file in files),
        received=meter.fetched,
    )


def _kind(file: File, digest: str | None, known: Known) -> str:
    if digest is None:
        return "missing"
    if digest == file.sha256:
        return "present"
    return "outdated" if digest in known.get(file.path, ()) else "changed"


def _digest(path: Path) -> str:
    """The digest of what lies there; of a link to nowhere, or to a folder, none that a file could have."""
    return checkout.digest(path) if path.is_file() else ""


def _require_nobodys(planned: Plan, folder: Path, force: bool) -> None:
    if planned.blocked:
        raise ConflictError(
            f"in {folder} a folder or a link stands where a file belongs: {_listed(planned.blocked)}; move it away"
        )
    if planned.changed and not force:
        raise ConflictError(
            f"in {folder} these differ from the version, and no pull brought them: "
            f"{_listed(_paths(planned.changed))}; move them away, or replace them with --force (force=True)"
        )


def _fetch_all(
    files: Iterable[File], folder: Path, objects: ObjectStore, meter: Meter, pool: ThreadPoolExecutor
) -> None:
    """Fetch every file that can be fetched, then raise for those that cannot. Any other failure ends all."""
    refused: list[TidemillError] = []
    tasks = [pool.submit(fetch, file, folder / file.path, objects=objects, meter=meter) for file in files]
    try:
        for task in as_completed(tasks):
            try:
                task.result()
            except (ArtifactCorrupt, RecordNotFound) as error:
                refused.append(error)
    finally:
        meter.stop.set()
        for task in tasks:
            task.cancel()
    if len(refused) > 1:
        listed = "\n  ".join(sorted(str(error) for error in refused))
        raise ArtifactCorrupt(f"{len(refused)} files could not be pulled:\n  {listed}")
    if refused:
        raise refused[0]


def _paths(files: Iterable[File]) -> tuple[str, ...]:
    return tuple(file.path for file in files)


def _listed(paths: Iterable[str]) -> str:
    """Some paths, and how many more there are."""
    paths = list(paths)
    rest = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + rest
