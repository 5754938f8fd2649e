"""The records of erasures: what was to be erased, which versions were, and what the table says of it.

`erase` writes them, `rebuild_index` makes the table's rows of them again. None ever holds the subject's value:
only its scrypt hash (RFC 7914) under a salt of its own, by which an erasure that was asked for again is known.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tidemill import canonical, names
from tidemill.data import openlineage
from tidemill.governance import audit
from tidemill.ports import ObjectStore, Put, Row

Record = dict[str, Any]
PLAN, OUTCOME = "plan", "outcome"
_COST = {"n": 2**13, "r": 8, "p": 1}
_MARK = ("erasure", "at", "by")


def hashed(value: str, salt: str) -> str:
    """The hash of a subject's value under a salt, both as text."""
    return hashlib.scrypt(value.encode(), salt=bytes.fromhex(salt), dklen=32, **_COST).hex()


def id_of(project: str, column: str, salt: str) -> str:
    """The id of an erasure: it tells nothing of the value."""
    return canonical.identity([project, column, salt])[:20]


def source(erasure_id: str) -> str:
    """What the versions that an erasure makes name as their source."""
    return f"{openlineage.ERASURE}{erasure_id}"


def plans(objects: ObjectStore, project: str) -> Iterator[Record]:
    """The plans of all erasures of a project."""
    for key in objects.keys(f"erasures/{project}/"):
        if key.endswith(f"/{PLAN}.json"):
            yield json.loads(objects.get(key))


def is_of(plan: Record, column: str, value: str) -> bool:
    """Whether a plan is about that subject."""
    return bool(plan["column"] == column and hmac.compare_digest(plan["hash"], hashed(value, plan["salt"])))


def keep(objects: ObjectStore, key: str, record: Record) -> Record:
    """Write a record unless there is one; give the one that stands."""
    objects.put_new(key, canonical.dumps(record), content_type="application/json")
    stands: Record = json.loads(objects.get(key))
    return stands


def unfinished(objects: ObjectStore, project: str) -> list[Record]:
    """The plans whose versions may still be to be made."""
    made = {fact["id"] for fact in facts(objects, project)}
    return [plan for plan in plans(objects, project) if plan["id"] not in made]


def facts(objects: ObjectStore, project: str) -> list[Record]:
    """The facts of all erasures of a project."""
    keys = objects.keys(f"erasures/{project}/")
    return [json.loads(objects.get(key)) for key in keys if key.count("/") == 2]


def mark(fact: Record) -> Row:
    """What the row of an erased version says of it."""
    return {"erasure": fact["id"], **{name: fact[name] for name in _MARK[1:]}}


def marked(marks: list[Row], one: Row) -> list[Row]:
    """The marks of a version with one more, in the order in which a lost table gets them again."""
    others = [known for known in marks if known["erasure"] != one["erasure"]]
    return sorted([*others, one], key=lambda known: (known["at"], known["erasure"]))


def entry(fact: Record) -> Put:
    """The audit row of an erasure."""
    told = {"reason": fact["reason"], "versions": [version["version"] for version in fact["versions"]]}
    return audit.entry(
        project=fact["project"],
        action="data.erased",
        subject=f"erasure {fact['id']}",
        at=datetime.fromisoformat(fact["at"]),
        by=fact["by"],
        **told,
    )


def version_entry(document: Record) -> Put:
    """The audit row of a version that an erasure made."""
    return audit.entry(
        project=document["project"],
        action="data.accepted",
        subject=f"dataset v{document['version']:05d}",
        at=datetime.fromisoformat(document["created"]),
        by=document["author"],
        source=document["source"],
        dataset_version=document["version"],
    )


def rows_of(
    objects: ObjectStore, project: str, documents: dict[int, Record]
) -> tuple[dict[int, list[Row]], dict[str, Row]]:
    """Of a project whose versions these are: the marks of each version, and the audit rows by sort key."""
    marks: dict[int, list[Row]] = {}
    entries = [
        version_entry(each) for each in documents.values() if each["source"].startswith(openlineage.ERASURE)
    ]
    for fact in facts(objects, project):
        entries.append(entry(fact))
        for version in fact["versions"]:
            number = version["version"]
            marks[number] = marked(marks.get(number, []), mark(fact))
    return marks, {put.sk: dict(put.row) for put in entries}


def plan_key(project: str, erasure_id: str) -> str:
    return names.erasure_part(project, erasure_id, PLAN)


def outcome_key(project: str, erasure_id: str) -> str:
    return names.erasure_part(project, erasure_id, OUTCOME)
