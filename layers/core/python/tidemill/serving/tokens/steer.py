"""Create, rotate, revoke and list API tokens. Called by the command line; each change is one transaction with its
audit rows, so that a kill leaves the token as it was or as it was to be.

Secrets and the time are arguments. A secret is returned to nobody: who gave it has it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tidemill import token_names
from tidemill.errors import ConflictError, RecordNotFound, TokenInvalid
from tidemill.governance import audit
from tidemill.ports import Clock, Index, Put, Row, Update
from tidemill.serving.routes import ACTIONS
from tidemill.serving.tokens.form import NAME, digest
from tidemill.serving.tokens.judge import secrets_of

MOST_PROJECTS = 50
LONGEST_DAYS = 3650
_TRIES = 5


def create_token(
    *,
    name: str,
    projects: Sequence[str],
    actions: Sequence[str],
    secret: str,
    days: int,
    requests_per_minute: int | None,
    by: str,
    index: Index,
    clock: Clock,
) -> Row:
    """The token's facts. Raises TokenInvalid; ConflictError if there is, or was, one of that name."""
    _check(name, projects, actions, days)
    at = clock()
    row = {
        "name": name,
        "projects": sorted(set(projects)),
        "actions": [action for action in ACTIONS if action in actions],
        "sha256": digest(secret),
        "older": [],
        "days": days,
        "expires": (at + timedelta(days=days)).isoformat(),
        "requests_per_minute": requests_per_minute,
        "created": at.isoformat(),
        "by": by,
        "epoch": 1,
    }
    told = {"actions": row["actions"], "expires": row["expires"]}
    try:
        index.transact(
            [
                Put(token_names.PK_TOKENS, token_names.sk_token(name), row, if_absent=True),
                *_entries(row, "created", at, by, **told),
            ]
        )
    except ConflictError as error:
        raise ConflictError(
            f"there is, or was, a token {name!r}; choose another name, or `tidemill tokens rotate {name}` for a "
            "new secret"
        ) from error
    return facts(row, at)


def rotate_token(
    *, name: str, secret: str, grace: timedelta, days: int | None, by: str, index: Index, clock: Clock
) -> Row:
    """The facts of the token, which has the new secret from now on. Every older one ends after `grace`, or when it
    was to end, if that is sooner. Raises RecordNotFound, TokenInvalid, ConflictError."""
    at, row = clock(), _stored(name, index)
    if row.get("revoked"):
        raise TokenInvalid(f"token {name!r} was revoked at {row['revoked']}; create another one")
    days = days or row["days"]
    _check(name, row["projects"], row["actions"], days)
    last = at + grace
    older = [{"sha256": stored, "until": min(last, until).isoformat()} for stored, until in secrets_of(row)]
    changed = {
        "sha256": digest(secret),
        "older": [each for each in older if datetime.fromisoformat(each["until"]) > at],
        "days": days,
        "expires": (at + timedelta(days=days)).isoformat(),
        "rotated": at.isoformat(),
    }
    told = {"expires": changed["expires"], "older_until": last.isoformat()}
    _change(row, changed, _entries(row, "rotated", at, by, **told), index)
    return facts({**row, **changed}, at)


def revoke_token(*, name: str, reason: str, by: str, index: Index, clock: Clock) -> Row:
    """The facts of the token, which opens nothing from now on, whoever changes it at the same time. Revoked
    before, it stays as it was. Raises RecordNotFound, ConflictError."""
    at, tries = clock(), _TRIES
    while True:
        row, tries = _stored(name, index), tries - 1
        if row.get("revoked"):
            return facts(row, at)
        changed = {"revoked": at.isoformat(), "revoked_by": by}
        try:
            _change(row, changed, _entries(row, "revoked", at, by, reason=reason), index)
        except ConflictError:
            if not tries:
                raise
            continue
        return facts({**row, **changed}, at)


def tokens(index: Index, at: datetime) -> list[Row]:
    """The facts of all tokens, by name."""
    return [facts(row, at) for row in index.query(token_names.PK_TOKENS, token_names.TOKENS)]


def facts(row: Mapping[str, Any], at: datetime) -> Row:
    """What may be shown of a token: nothing that its secret could be tried against."""
    shown = (
        "name",
        "projects",
        "actions",
        "requests_per_minute",
        "created",
        "by",
        "expires",
        "revoked",
        "used_on",
    )
    live = [until for _, until in secrets_of(row) if until > at]
    state = "revoked" if row.get("revoked") else "live" if live else "expired"
    older = [each["until"] for each in row["older"] if datetime.fromisoformat(each["until"]) > at]
    return {**{name: row.get(name) for name in shown}, "state": state, "older_until": max(older, default=None)}


def _check(name: str, projects: Sequence[str], actions: Sequence[str], days: int) -> None:
    if not NAME.fullmatch(name):
        raise TokenInvalid(f"token name {name!r}: take 2 to 31 of a-z, 0-9 and '-', from a letter")
    if not 1 <= len(set(projects)) <= MOST_PROJECTS:
        raise TokenInvalid(f"projects {list(projects)}: name 1 to {MOST_PROJECTS} that the token opens")
    if not actions or set(actions) - set(ACTIONS):
        raise TokenInvalid(f"actions {list(actions)}: name some of {', '.join(ACTIONS)}")
    if not 1 <= days <= LONGEST_DAYS:
        raise TokenInvalid(f"{days} days: a token lives for 1 to {LONGEST_DAYS}; rotate it for more")


def _stored(name: str, index: Index) -> Row:
    row = index.get(token_names.PK_TOKENS, token_names.sk_token(name))
    if row is None:
        raise RecordNotFound(f"there is no token {name!r}; `tidemill tokens list` shows those there are")
    return row


def _change(row: Row, changed: Mapping[str, Any], entries: Sequence[Put], index: Index) -> None:
    """Change the row as it was read, or not at all."""
    epoch, key = row["epoch"], token_names.sk_token(row["name"])
    update = Update(token_names.PK_TOKENS, key, {**changed, "epoch": epoch + 1}, if_equal={"epoch": epoch})
    try:
        index.transact([update, *entries])
    except ConflictError as error:
        raise ConflictError(
            f"token {row['name']!r} was changed by somebody else at the same time; nothing was done. See "
            "`tidemill tokens list`, then do it again"
        ) from error


def _entries(row: Mapping[str, Any], what: str, at: datetime, by: str, **details: Any) -> list[Put]:
    """An audit row in each project that the token opens."""
    return [
        audit.entry(
            project=project,
            action=f"serving.token_{what}",
            subject=f"token {row['name']}",
            at=at,
            by=by,
            **details,
        )
        for project in row["projects"]
    ]
