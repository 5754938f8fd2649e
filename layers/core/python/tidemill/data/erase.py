"""Erase a subject: new versions without its rows, the old ones marked, its rows gone for good.

`tidemill data subjects erase` calls it. In this order, each step safe to be done twice: the plan (what holds the
subject, and what takes its place), the new versions in one transaction, the fact, the marks, then the removal (see
`scrub`). Asked for again after having been killed, it goes on where the plan says.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from tidemill import canonical, names
from tidemill.again import until_undisturbed
from tidemill.data import (
    contents,
    erasures,
    lineage,
    next_version,
    openlineage,
    profiles,
    reach,
    scrub,
    subjects,
    tags,
    uploads,
    versions,
)  # fmt: skip
from tidemill.data.erasures import Record
from tidemill.data.formats.detect import Format
from tidemill.data.manifests import File, Manifest
from tidemill.data.subjects import Progress, Search, Subject
from tidemill.errors import ConflictError, RecordNotFound
from tidemill.ports import Clock, Index, ObjectStore, Put, Update
from tidemill.projects import Project
from tidemill.serving import erase_scores

AT_ONCE = 50


@dataclass(frozen=True)
class Request:
    """Who wants a subject erased and why; `salt`: 32 hexadecimal digits or more, at random."""

    subject: Subject
    reason: str
    by: str
    salt: str


@dataclass(frozen=True)
class Ports:
    """What an erasure reads and writes. `store` names the bucket in events for catalogues."""

    objects: ObjectStore
    index: Index
    clock: Clock
    store: str = openlineage.STORE


def erase(
    project: Project,
    request: Request,
    *,
    ports: Ports,
    dry_run: bool = False,
    progress: Progress = subjects.untold,
) -> dict[str, Any]:
    """What was erased: of each of the `erasures` its id, the `versions` that held the subject, those it `made`
    instead, `tags` that moved, `runs` and `models` that learned from it, rows by batch scoring (`scorings`;
    those that are `unsearched`), and what is `kept` until when. With `dry_run` nothing is written, and what would
    be erased is told. Raises ConflictError if others kept winning the race for the next version.
    """
    known = [
        plan
        for plan in erasures.plans(ports.objects, project.name)
        if erasures.is_of(plan, request.subject.column, request.subject.value)
    ]
    open_ones = [plan for plan in known if _is_open(plan, ports.objects)]
    done = [] if dry_run else [_carry_out(plan, project, request.subject, ports) for plan in open_ones]
    plan = _plan(project, request, known, ports, progress, dry_run=dry_run)
    if (plan["contents"] or plan["uploads"] or plan["scorings"]) and not dry_run:
        key = erasures.plan_key(project.name, plan["id"])
        done.append(_carry_out(erasures.keep(ports.objects, key, plan), project, request.subject, ports))
    answer = {"project": project.name, "column": request.subject.column, "dry_run": dry_run, "erasures": done}
    if dry_run:
        answer |= {"unfinished": [each["id"] for each in open_ones], "found": _told(plan, project.name, ports)}
    return answer


def _is_open(plan: Record, objects: ObjectStore) -> bool:
    """Whether something of an erasure is still to be done, or may be by now."""
    try:
        outcome = json.loads(objects.get(erasures.outcome_key(plan["project"], plan["id"])))
    except RecordNotFound:
        return True
    return bool(outcome["kept"])


def _plan(
    project: Project, request: Request, known: list[Record], ports: Ports, progress: Progress, *, dry_run: bool
) -> Record:
    """What holds the subject besides what earlier erasures of it have dealt with."""
    objects, index, at = ports.objects, ports.index, ports.clock()
    dealt = {number for plan in known for number in _dealt_versions(plan, objects)}
    seen = {upload for plan in known for upload in plan["uploads"]}
    documents = [d for d in reach.documents(objects, index, project.name).values() if d["version"] not in dealt]
    rows = {k: row for k, row in reach.upload_rows(objects, index, project.name).items() if k not in seen}
    brought = [uploads.file_of(row) for row in rows.values() if row.get("file")]
    held = [file for document in documents for file in versions.files_of(document)]
    files = subjects.distinct([*brought, *held])
    search = subjects.look(project, request.subject, files, objects=objects, progress=progress)
    affected = {file.upload_id for file in [*brought, *held] if file.sha256 in search.held}
    affected |= scrub.mentioned(project.name, rows.values(), request.subject.value, objects)
    wanted = {file.sha256 for file in held}
    return {
        "id": erasures.id_of(project.name, request.subject.column, request.salt),
        "project": project.name,
        "column": request.subject.column,
        "salt": request.salt,
        "hash": erasures.hashed(request.subject.value, request.salt),
        "reason": request.reason,
        "by": request.by,
        "at": at.isoformat(),
        "head": versions.head(index, project.name),
        "contents": _replaced(search, wanted, ports, dry_run=dry_run),
        "uploads": sorted(affected),
        **erase_scores.planned(project, request.subject, known, objects=objects),
    }


def _dealt_versions(plan: Record, objects: ObjectStore) -> list[int]:
    with suppress(RecordNotFound):
        fact = json.loads(objects.get(names.erasure(plan["project"], plan["id"])))
        return [version["version"] for version in fact["versions"]]
    return []


def _replaced(search: Search, wanted: set[str], ports: Ports, *, dry_run: bool) -> Record:
    """By the digest of each content that holds the subject: its `rows` of it, and what is `left` of it (None if
    nothing is, or if no version needs it)."""
    found: Record = {}
    for digest, content in search.held.items():
        left, rows = None, content.file.rows - content.rows
        if rows > 0 and digest in wanted and not dry_run:
            source = contents.Source(names.content(digest), None, content.file.size)
            form = Format.from_json(content.file.form or asdict(Format("csv")))
            made = contents.store_without(source, form, content.lines, ports.objects, at=ports.clock())
            left = {"sha256": made.sha256, "size": made.size, "rows": rows, "form": made.form.as_json()}
        found[digest] = {"rows": content.rows, "left": left}
    return found


def _carry_out(plan: Record, project: Project, subject: Subject, ports: Ports) -> dict[str, Any]:
    objects, index = ports.objects, ports.index
    kept = scrub.resketch(plan, project, objects=objects, index=index)
    made = until_undisturbed(lambda: _made(plan, ports))
    _record_made(made, plan, ports)
    moved = _move_tags(plan, made, ports)
    fact = _fact(plan, made, ports)
    until_undisturbed(lambda: _mark(fact, ports))
    for number in fact["models"]:
        key = f"{names.model(project.name, number)}erased-{fact['id']}.json"
        erasures.keep(objects, key, {"project": project.name, "model": number, **erasures.mark(fact)})
    # Scores first: the uploads say which of their rows are the subject's.
    scored = erase_scores.told(plan)
    kept |= erase_scores.erase(project, subject, scored["scorings"], objects=objects)
    kept |= scrub.scrub(fact, project, subject, objects=objects, index=index)
    for document in made:
        profiles.keep(objects, project.name, document["version"])
    outcome = {"id": plan["id"], "kept": kept, "unsearched": scored["unsearched"]}
    key = erasures.outcome_key(project.name, plan["id"])
    objects.put(key, canonical.dumps(outcome), content_type="application/json")
    told = {name: fact[name] for name in ("id", "versions", "made", "runs", "models", "uploads")}
    return {**told, **scored, "tags": moved, "kept": kept}


def _made(plan: Record, ports: Ports) -> list[Record]:
    """The versions that this erasure makes, in one transaction; as they are, if it has made them. Raises
    ConflictError."""
    objects, index, project = ports.objects, ports.index, plan["project"]
    rows = index.query(names.pk(project), names.DATASETS)
    own = [row for row in rows if row["source"] == erasures.source(plan["id"])]
    if own:
        return [json.loads(objects.get(names.manifest(project, row["identity"]))) for row in own]
    head = versions.head(index, project)
    pointed = {row["version"] for row in tags.listing(index, project)} - {head}
    read = {n: versions.document_of(n, project=project, objects=objects, index=index) for n in {*pointed, head}}
    documents = {number: document for number, document in sorted(read.items()) if document is not None}
    instead = [n for n, document in documents.items() if _holds(document, plan)]
    if not instead:
        return []
    numbers = [*(n for n in instead if n != head), head]  # the newest last: what comes next is added to it
    made = [_without(documents[n], plan, head + place, ports) for place, n in enumerate(numbers, start=1)]
    changes = next_version.proposed(made, objects=objects, index=index, again=True)
    index.transact([*changes, *(erasures.version_entry(document) for document in made)])
    return made


def _holds(document: Record, plan: Record) -> bool:
    return any(file["sha256"] in plan["contents"] for file in document["files"])


def _without(document: Record, plan: Record, number: int, ports: Ports) -> Record:
    files = list(_left(versions.files_of(document), plan))
    return versions.document(
        Manifest.of(plan["project"], files),
        version=number,
        source=erasures.source(plan["id"]),
        reason=plan["reason"],
        author=plan["by"],
        at=ports.clock(),
        how={**document["how"], "by": "erase", "of": document["version"], "added": []},
        schema=document["schema"],
    )


def _left(files: Iterable[File], plan: Record) -> Iterable[File]:
    """The files as they are without the subject; those that held nothing else are gone."""
    for file in files:
        found = plan["contents"].get(file.sha256)
        if found is None:
            yield file
        elif found["left"] is not None:
            yield file.model_copy(update=found["left"])


def _record_made(made: list[Record], plan: Record, ports: Ports) -> None:
    """Write the facts of the new versions; of the head, if there is none: the marks follow from facts."""
    project = plan["project"]
    for number in [document["version"] for document in made] or ([plan["head"]] if plan["head"] else []):
        versions.write_fact(number, project=project, objects=ports.objects, index=ports.index)
    for document in made:
        events = openlineage.acceptance(document, arrived=plan["at"], store=ports.store)
        openlineage.write(ports.objects, project, events)


def _move_tags(plan: Record, made: list[Record], ports: Ports) -> list[dict[str, Any]]:
    """Point the tags of versions that held the subject to what was made of these. One that points there already is
    moved there again, so that the fact of its move is written."""
    instead = {document["how"]["of"]: document["version"] for document in made}
    for row in tags.listing(ports.index, plan["project"]):
        wanted = row["version"] if row["version"] in instead.values() else instead.get(row["version"])
        if wanted is not None:
            with suppress(ConflictError):  # somebody moved it meanwhile: it is where they want it
                tags.move_tag(
                    project=plan["project"], tag=row["tag"], version=wanted, expected=row["version"],
                    reason=f"erasure {plan['id']}", by=plan["by"],
                    objects=ports.objects, index=ports.index, clock=ports.clock,
                )  # fmt: skip
    found = [row for row in tags.listing(ports.index, plan["project"]) if row["version"] in instead.values()]
    return [{"tag": row["tag"], "version": row["version"]} for row in found]


def _fact(plan: Record, made: list[Record], ports: Ports) -> Record:
    """The fact of the erasure: versions, files, runs and models; the first one that was written stands."""
    project = plan["project"]
    told = _told(plan, project, ports, before=made[0]["version"] if made else plan["head"] + 1)
    after = [{"version": d["version"], "of": d["how"]["of"], "content": d["content"]} for d in made]
    fact = {**plan, **told, "made": after}
    return erasures.keep(ports.objects, names.erasure(project, plan["id"]), fact)


def _told(plan: Record, project: str, ports: Ports, *, before: int | None = None) -> dict[str, Any]:
    """The `versions` up to `before` that hold the subject, with the files, and what learned from these."""
    documents = sorted(reach.documents(ports.objects, ports.index, project).values(), key=lambda d: d["version"])
    held = [d for d in documents if (before is None or d["version"] < before) and _holds(d, plan)]
    after = lineage.downstream(ports.index, project, {document["version"] for document in held})
    return {
        "versions": [_files(document, plan) for document in held],
        "rows": sum(content["rows"] for content in plan["contents"].values()),
        "runs": [run["run_id"] for run in after["runs"]],
        "models": [model["version"] for model in after["models"]],
        "uploads": plan["uploads"],
        **erase_scores.told(plan),
    }


def _files(document: Record, plan: Record) -> dict[str, Any]:
    held = [file for file in document["files"] if file["sha256"] in plan["contents"]]
    files = [
        {"path": file["path"], "sha256": file["sha256"], "rows": plan["contents"][file["sha256"]]["rows"]}
        for file in held
    ]
    return {"version": document["version"], "rows": sum(file["rows"] for file in files), "files": files}


def _mark(fact: Record, ports: Ports) -> None:
    """Mark the rows of the versions, with the audit row last. Raises ConflictError."""
    pk, one = names.pk(fact["project"]), erasures.mark(fact)
    changes: list[Put | Update] = []
    for version in fact["versions"]:
        sk = names.sk_dataset(version["version"])
        marks = (ports.index.get(pk, sk) or {}).get("erased")
        if one not in (marks or []):
            changes.append(Update(pk, sk, {"erased": erasures.marked(marks or [], one)}, {"erased": marks}))
    changes.append(erasures.entry(fact))
    for start in range(0, len(changes), AT_ONCE):
        ports.index.transact(changes[start : start + AT_ONCE])
