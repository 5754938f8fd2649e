"""API tokens: made, rotated, revoked; killed between any two calls, twice at once, replayed."""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidemill import names, token_names
from tidemill.adapters.memory import MemoryIndex
from tidemill.errors import ConflictError, RecordNotFound, TokenInvalid
from tidemill.serving.routes import Asked
from tidemill.serving.tokens import form, judge, steer

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
FIRST, SECOND, THIRD = "1" * 64, "2" * 64, "3" * 64
ASKED = Asked("tides", "predict")


class Killed(BaseException):
    """The process ends here."""


class Stopping(MemoryIndex):
    """An index whose process is killed before or after its n-th call."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None
        self.after = False

    def _call(self, work: Any) -> Any:
        if self.left is None:
            return work()
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        done = work()
        if self.left == 0:
            raise Killed
        return done

    def get(self, pk: str, sk: str) -> Any:
        return self._call(lambda: super(Stopping, self).get(pk, sk))

    def transact(self, changes: Any) -> None:
        self._call(lambda: super(Stopping, self).transact(changes))


@pytest.fixture
def index() -> Stopping:
    return Stopping()


def create(index: MemoryIndex, name: str = "app", **changed: Any) -> dict[str, Any]:
    given = {
        "projects": ["tides"], "actions": ["predict"], "secret": FIRST, "days": 90, "requests_per_minute": None,
        "by": "arn:ann", "clock": lambda: AT,
    }  # fmt: skip
    return steer.create_token(name=name, index=index, **{**given, **changed})


def rotate(index: MemoryIndex, secret: str, at: datetime = AT, hours: float = 24, days: int | None = None) -> Any:
    return steer.rotate_token(
        name="app", secret=secret, grace=timedelta(hours=hours), days=days, by="arn:bob", index=index,
        clock=lambda: at,
    )  # fmt: skip


def revoke(index: MemoryIndex, at: datetime = AT) -> Any:
    return steer.revoke_token(name="app", reason="leaked", by="arn:bob", index=index, clock=lambda: at)


def denial(index: MemoryIndex, secret: str, at: datetime = AT, asked: Asked = ASKED) -> str | None:
    return judge.denial(
        MemoryIndex.get(index, token_names.PK_TOKENS, token_names.sk_token("app")),
        secret=secret,
        asked=asked,
        at=at,
    )


def audited(index: MemoryIndex, project: str = "tides") -> list[tuple[str, str, str]]:
    """By action: many are of the same second here."""
    rows = index.query(names.pk(project), names.AUDIT)
    return sorted((row["action"], row["subject"], row["by"]) for row in rows)


def test_a_token_opens_its_actions_on_its_projects_until_it_ends(index: Stopping) -> None:
    facts = create(index, projects=["tides", "depths"], actions=["read", "predict"])
    assert facts["actions"] == ["predict", "read"] and facts["state"] == "live"
    last = AT + timedelta(days=90)
    for project in ("tides", "depths"):
        assert denial(index, FIRST, asked=Asked(project, "predict")) is None
        assert audited(index, project) == [("serving.token_created", "token app", "arn:ann")]
    assert denial(index, FIRST, asked=Asked("tides", "outcomes")) == "other_action"
    assert denial(index, FIRST, asked=Asked("moons", "predict")) == "other_project"
    assert denial(index, SECOND) == "wrong_secret"
    assert denial(index, FIRST, last - timedelta(seconds=1)) is None
    assert denial(index, FIRST, last) == "expired"
    assert judge.denial(None, secret=FIRST, asked=ASKED, at=AT) == "unknown"


def test_no_secret_is_stored_nor_shown(index: Stopping) -> None:
    create(index)
    rotate(index, SECOND)
    stored = json.dumps(list(index.rows.values()))
    assert form.digest(FIRST) in stored and form.digest(SECOND) in stored
    assert FIRST not in stored and SECOND not in stored
    shown = json.dumps(steer.tokens(index, AT))
    assert form.digest(FIRST) not in shown and form.digest(SECOND) not in shown and "older_until" in shown
    assert FIRST not in repr(form.read(f"Bearer {form.write('app', FIRST)}"))


def test_a_name_is_given_once(index: Stopping) -> None:
    create(index)
    before = dict(index.rows)
    with pytest.raises(ConflictError, match="tidemill tokens rotate app"):
        create(index, secret=SECOND, projects=["depths"])
    assert index.rows == before
    revoke(index)
    with pytest.raises(ConflictError, match="or was"):
        create(index, secret=SECOND)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "App"}, "token name"),
        ({"name": "a_b"}, "token name"),
        ({"name": "app\n"}, "token name"),
        ({"projects": []}, "projects"),
        ({"projects": [f"p{n}" for n in range(51)]}, "1 to 50"),
        ({"actions": []}, "predict, outcomes, read, release"),
        ({"actions": ["predict", "all"]}, "actions"),
        ({"days": 0}, "0 days"),
        ({"days": 3651}, "3651 days"),
    ],
)
def test_what_cannot_be_a_token_is_refused(index: Stopping, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(TokenInvalid, match=said):
        create(index, **changed)
    assert not index.rows


def test_a_new_secret_opens_at_once_and_the_old_one_for_the_grace(index: Stopping) -> None:
    create(index)
    facts = rotate(index, SECOND, hours=2)
    grace = AT + timedelta(hours=2)
    assert facts["older_until"] == grace.isoformat()
    assert denial(index, SECOND) is None
    assert denial(index, FIRST, grace - timedelta(seconds=1)) is None
    assert denial(index, FIRST, grace) == "expired"
    assert audited(index)[-1] == ("serving.token_rotated", "token app", "arn:bob")


def test_a_grace_never_prolongs_an_older_secret(index: Stopping) -> None:
    create(index, days=1)
    rotate(index, SECOND, hours=2)
    rotate(index, THIRD, AT + timedelta(hours=1), hours=24)
    for secret, end in ((FIRST, timedelta(hours=2)), (SECOND, timedelta(hours=24))):
        assert denial(index, secret, AT + end - timedelta(seconds=1)) is None
        assert denial(index, secret, AT + end) == "expired"
    assert denial(index, THIRD, AT + timedelta(hours=24)) is None


def test_without_grace_all_older_secrets_end_now(index: Stopping) -> None:
    create(index)
    rotate(index, SECOND, hours=100)
    rotate(index, THIRD, hours=0)
    assert denial(index, FIRST) == denial(index, SECOND) == "wrong_secret"
    assert denial(index, THIRD) is None


def test_rotating_begins_the_days_again_or_others(index: Stopping) -> None:
    create(index, days=10)
    later = AT + timedelta(days=9)
    assert rotate(index, SECOND, later)["expires"] == (later + timedelta(days=10)).isoformat()
    assert rotate(index, THIRD, later, days=3)["expires"] == (later + timedelta(days=3)).isoformat()
    with pytest.raises(TokenInvalid, match="4000 days"):
        rotate(index, FIRST, later, days=4000)


def test_an_expired_secret_does_not_come_back_with_a_rotation(index: Stopping) -> None:
    create(index, days=1)
    later = AT + timedelta(days=2)
    assert rotate(index, SECOND, later)["state"] == "live"
    assert denial(index, FIRST, later) == "wrong_secret"
    assert denial(index, SECOND, later) is None


def test_a_revoked_token_opens_nothing_with_any_secret(index: Stopping) -> None:
    create(index)
    rotate(index, SECOND)
    facts = revoke(index)
    assert facts["state"] == "revoked"
    assert denial(index, FIRST) == denial(index, SECOND) == "revoked"
    entries = audited(index)
    assert ("serving.token_revoked", "token app", "arn:bob") in entries
    assert revoke(index, AT + timedelta(days=1))["revoked"] == AT.isoformat()
    assert audited(index) == entries
    with pytest.raises(TokenInvalid, match="was revoked at"):
        rotate(index, THIRD)


@pytest.mark.parametrize("change", [lambda index: rotate(index, SECOND), revoke])
def test_a_token_that_is_not_there_cannot_be_changed(index: Stopping, change: Any) -> None:
    with pytest.raises(RecordNotFound, match="tidemill tokens list"):
        change(index)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", [1, 2])
def test_a_rotation_killed_anywhere_leaves_a_token_that_opens_and_can_be_rotated(
    index: Stopping, call: int, after: bool
) -> None:
    create(index)
    index.left, index.after = call, after
    with pytest.raises(Killed):
        rotate(index, SECOND, hours=2)
    index.left = None
    done = call == 2 and after
    # Nobody has seen the second secret: the first is what programs have, and they go on with it.
    assert denial(index, FIRST) is None
    assert len(audited(index)) == (2 if done else 1)
    rotate(index, THIRD, AT + timedelta(hours=1), hours=2)
    assert denial(index, THIRD, AT + timedelta(hours=1)) is None
    assert denial(index, FIRST, AT + timedelta(hours=1, minutes=59)) is None


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", [1, 2])
def test_a_revocation_killed_anywhere_is_done_by_the_next_one(index: Stopping, call: int, after: bool) -> None:
    create(index)
    index.left, index.after = call, after
    with pytest.raises(Killed):
        revoke(index)
    index.left = None
    assert revoke(index)["state"] == "revoked"
    assert [action for action, _, _ in audited(index)] == ["serving.token_created", "serving.token_revoked"]


class Interrupted(MemoryIndex):
    """An index in which somebody else does something just before each of the next transactions."""

    def __init__(self) -> None:
        super().__init__()
        self.between: list[Any] = []

    def transact(self, changes: Any) -> None:
        if self.between:
            self.between.pop(0)()
        super().transact(changes)


def test_of_two_rotations_at_once_one_is_done_and_the_other_says_so() -> None:
    index = Interrupted()
    create(index)
    index.between = [lambda: rotate(index, SECOND)]
    with pytest.raises(ConflictError, match="by somebody else at the same time; nothing was done"):
        rotate(index, THIRD)
    assert denial(index, SECOND) is None
    assert denial(index, THIRD) == "wrong_secret"


def test_a_revocation_wins_over_a_rotation_at_the_same_time() -> None:
    index = Interrupted()
    create(index)
    index.between = [lambda: rotate(index, SECOND)]
    assert revoke(index)["state"] == "revoked"
    assert denial(index, FIRST) == denial(index, SECOND) == "revoked"


def test_a_revocation_says_so_when_the_row_never_stands_still() -> None:
    index = Interrupted()
    create(index)
    key = token_names.PK_TOKENS, token_names.sk_token("app")

    def changed() -> None:
        index.rows[key]["epoch"] += 1

    index.between = [changed] * 100
    with pytest.raises(ConflictError, match="nothing was done"):
        revoke(index)
    assert len(index.between) == 100 - steer._TRIES
    assert denial(index, FIRST) is None


def test_of_many_creations_at_once_one_token_comes() -> None:
    index, made, refused = MemoryIndex(), [], []

    def one(number: int) -> None:
        try:
            made.append(create(index, secret=f"{number:064x}"))
        except ConflictError:
            refused.append(number)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 7)
    assert len(audited(index)) == 1


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        FIRST,
        f"tm_app_{FIRST}",
        f"Basic tm_app_{FIRST}",
        f"Bearer  tm_app_{FIRST}",
        f"Bearer tm_app_{FIRST} ",
        f"Bearer tm_app_{FIRST}\n",
        f"Bearer tm_app_{FIRST[:-1]}",
        f"Bearer tm_app_{FIRST}0",
        f"Bearer tm_app_{'A' * 64}",
        f"Bearer tm_App_{FIRST}",
        f"Bearer tm__{FIRST}",
        f"Bearer tm_{'a' * 32}_{FIRST}",
        f"Bearer tm_app_{FIRST},Bearer tm_app_{FIRST}",
        "Bearer tm_app_" + "\u0661" * 64,
        f"AWS4-HMAC-SHA256 Credential=tm_app_{FIRST}",
    ],
)
def test_a_header_that_is_not_exactly_a_token_is_none(header: str | None) -> None:
    assert form.read(header) is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_is_read_as_it_was_written(scheme: str) -> None:
    assert form.read(f"{scheme} {form.write('my-app-2', FIRST)}") == ("my-app-2", FIRST)


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    monkeypatch.setattr(form.hmac, "compare_digest", lambda a, b: bool(compared.append((a, b))) or a == b)
    assert form.is_secret(FIRST, form.digest(FIRST)) and not form.is_secret(FIRST, form.digest(SECOND))
    assert len(compared) == 2


def test_the_facts_tell_what_became_of_a_token(index: Stopping) -> None:
    create(index, "live-one")
    create(index, "app", days=1)
    create(index, "gone", requests_per_minute=5)
    steer.revoke_token(name="gone", reason="", by="b", index=index, clock=lambda: AT)
    found = steer.tokens(index, AT + timedelta(days=2))
    assert [(row["name"], row["state"]) for row in found] == [
        ("app", "expired"), ("gone", "revoked"), ("live-one", "live"),
    ]  # fmt: skip
    assert found[1]["requests_per_minute"] == 5 and found[0]["older_until"] is None
