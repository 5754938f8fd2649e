"""The authorizer, through its function file and API Gateway's event: what goes on, what does not, what is told."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pydantic import ValidationError

from tests.unit.serving.gateway import function
from tidemill import names, token_names
from tidemill.adapters import wiring
from tidemill.adapters.memory import MemoryIndex
from tidemill.errors import StoreBusy
from tidemill.ports import Update
from tidemill.serving import routes
from tidemill.serving.authorize_request import authorize_request
from tidemill.serving.tokens import form, limit, steer

AT = datetime(2026, 11, 25, 12, 0, 20, tzinfo=UTC)
SECRET, WRONG = "a" * 64, "b" * 64
BEARER = f"Bearer {form.write('app', SECRET)}"
PREDICT = ("POST /projects/tides/predict", "/projects/tides/predict", {})


class Table(MemoryIndex):
    """The table, which may be busy, and counts what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.busy_reads = self.busy_writes = False
        self.written: list[str] = []

    def get(self, pk: str, sk: str) -> Any:
        if self.busy_reads:
            raise StoreBusy("the table is busy; try again in a moment")
        return super().get(pk, sk)

    def transact(self, changes: Any) -> None:
        if self.busy_writes:
            raise StoreBusy("the table is busy; try again in a moment")
        super().transact(changes)
        self.written += [change.sk for change in changes]

    def count(self, *arguments: Any, **more: Any) -> bool:
        if self.busy_writes:
            raise StoreBusy("the table is busy; try again in a moment")
        return super().count(*arguments, **more)


class Function:
    """The deployed function over that table, at a time."""

    def __init__(self, module: ModuleType, table: Table) -> None:
        self.module, self.table, self.at = module, table, AT
        self._calls = 0

    def ask(
        self, header: str | None = BEARER, route: tuple[str, str, Any] = PREDICT, **changed: Any
    ) -> dict[str, Any]:
        self._calls += 1
        key, path, parameters = route
        event = {
            "version": "2.0",
            "type": "REQUEST",
            "routeArn": "arn",
            "identitySource": [header],
            "routeKey": key,
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"authorization": header} if header is not None else {},
            "requestContext": {"requestId": f"r{self._calls}", "stage": "$default"},
            **({"pathParameters": parameters} if parameters else {}),
            **changed,
        }
        context = SimpleNamespace(
            function_name="a", memory_limit_in_mb=128, invoked_function_arn="arn", aws_request_id="r"
        )
        answer: dict[str, Any] = self.module.handler(event, context)
        json.dumps(answer)
        return answer

    def token(self, name: str = "app", **changed: Any) -> None:
        given = {
            "projects": ["tides"], "actions": ["predict", "outcomes"], "secret": SECRET, "days": 90,
            "requests_per_minute": None, "by": "ann",
        }  # fmt: skip
        steer.create_token(name=name, index=self.table, clock=lambda: self.at, **{**given, **changed})
        self.table.written.clear()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    table = Table()
    monkeypatch.setattr(wiring, "index", lambda: table)
    made = Function(function("authorize_request"), table)
    monkeypatch.setattr(made.module, "now", lambda: made.at)
    yield made


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, list[str]]:
    """All that was written, and the reasons that were counted."""
    text = "".join(capsys.readouterr())
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return text, [line["reason"] for line in lines if "_aws" in line and token_names.METRIC_DENIED in line]


def test_a_token_opens_what_it_is_for_and_the_function_behind_it_hears_whose(asked: Function, capsys: Any) -> None:
    asked.token()
    assert asked.ask() == {"isAuthorized": True, "context": {"client": "app"}}
    shared = ("POST /projects/{project}/outcomes", "/projects/tides/outcomes", {"project": "tides"})
    assert asked.ask(route=shared)["isAuthorized"] is True
    text, counted = told(capsys)
    assert counted == [] and SECRET not in text


@pytest.mark.parametrize(
    ("header", "route", "reason"),
    [
        (None, PREDICT, "malformed"),
        ("Bearer x", PREDICT, "malformed"),
        (f"Bearer tm_app_{SECRET}\t", PREDICT, "malformed"),
        (f"Bearer {form.write('nobody', SECRET)}", PREDICT, "unknown"),
        (f"Bearer {form.write('app', WRONG)}", PREDICT, "wrong_secret"),
        (BEARER, ("POST /projects/depths/predict", "/projects/depths/predict", {}), "other_project"),
        (
            BEARER,
            ("POST /projects/{project}/outcomes", "/projects/depths/outcomes", {"project": "depths"}),
            "other_project",
        ),
        (BEARER, ("GET /projects/{project}", "/projects/tides", {"project": "tides"}), "other_action"),
        (BEARER, ("GET /projects/tides/openapi.json", "/projects/tides/openapi.json", {}), "other_action"),
        (
            BEARER,
            ("POST /projects/{project}/releases/{release}/decision", "/projects/tides/releases/7/decision",
             {"project": "tides", "release": "7"}),
            "other_action",
        ),
        (BEARER, ("DELETE /projects/tides", "/projects/tides", {}), "no_action"),
        (BEARER, ("$default", "/projects/tides/predict", {}), "no_action"),
        (BEARER, ("GET /health", "/health", {}), "no_action"),
        # The route that was chosen is not the path that the function will read.
        (BEARER, ("POST /projects/tides/predict", "/projects/depths/predict", {}), "no_action"),
        (
            BEARER,
            ("POST /projects/{project}/outcomes", "/projects/depths/outcomes", {"project": "tides"}),
            "no_action",
        ),
        (
            BEARER,
            ("POST /projects/{project}/outcomes", "/projects/tid%65s/outcomes", {"project": "tid%65s"}),
            "no_action",
        ),
        (BEARER, ("POST /projects/{project}/outcomes", "/projects/tides/outcomes/", {"project": "tides"}),
         "no_action"),
    ],
)  # fmt: skip
def test_what_a_token_does_not_open_is_denied_logged_and_counted(
    asked: Function, capsys: Any, header: str | None, route: Any, reason: str
) -> None:
    asked.token()
    assert asked.ask(header, route)["isAuthorized"] is False
    text, counted = told(capsys)
    assert counted == [reason]
    assert SECRET not in text and WRONG not in text
    assert asked.table.written == []


def test_a_project_of_others_is_no_way_into_ones_own_metrics(asked: Function, capsys: Any) -> None:
    """What is in the path becomes no dimension: each would be a metric to pay for."""
    asked.ask(route=("POST /projects/{project}/outcomes", "/projects/x/outcomes", {"project": "x"}))
    lines = [json.loads(line) for line in "".join(capsys.readouterr()).splitlines() if line.startswith("{")]
    (metric,) = [line for line in lines if "_aws" in line]
    (directive,) = metric["_aws"]["CloudWatchMetrics"]
    assert {"reason"} <= {name for names_ in directive["Dimensions"] for name in names_} <= {"reason", "service"}


def test_expired_and_revoked_tokens_open_nothing(asked: Function, capsys: Any) -> None:
    asked.token(days=1)
    asked.at = AT + timedelta(days=1)
    assert asked.ask()["isAuthorized"] is False
    asked.at = AT
    assert asked.ask()["isAuthorized"] is True
    steer.revoke_token(name="app", reason="", by="b", index=asked.table, clock=lambda: AT)
    assert asked.ask()["isAuthorized"] is False
    assert told(capsys)[1] == ["expired", "revoked"]


def test_both_secrets_open_within_the_grace_and_the_new_one_after_it(asked: Function) -> None:
    asked.token()
    fresh = f"Bearer {form.write('app', WRONG)}"
    steer.rotate_token(
        name="app", secret=WRONG, grace=timedelta(hours=1), days=None, by="b", index=asked.table, clock=lambda: AT
    )
    assert asked.ask()["isAuthorized"] is asked.ask(fresh)["isAuthorized"] is True
    asked.at = AT + timedelta(hours=1)
    assert asked.ask()["isAuthorized"] is False
    assert asked.ask(fresh)["isAuthorized"] is True


def test_a_busy_table_lets_nothing_through(asked: Function) -> None:
    asked.token()
    asked.table.busy_reads = True
    with pytest.raises(StoreBusy):  # API Gateway answers 500, and the client tries again
        asked.ask()


def test_an_error_of_aws_lets_nothing_through(asked: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.token()

    def refused(*arguments: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetItem")

    monkeypatch.setattr(asked.table, "get", refused)
    with pytest.raises(ClientError):
        asked.ask()


@pytest.mark.parametrize("lost", ["sha256", "expires", "older", "projects", "actions", "requests_per_minute"])
def test_a_row_that_lacks_something_opens_nothing(asked: Function, lost: str) -> None:
    asked.token()
    del asked.table.rows[token_names.PK_TOKENS, token_names.sk_token("app")][lost]
    with pytest.raises(KeyError):
        asked.ask()


def test_an_event_that_is_none_of_api_gateway_s_opens_nothing_and_is_not_told(asked: Function) -> None:
    asked.token()
    for lost in ("routeKey", "rawPath"):
        with pytest.raises(ValidationError) as caught:
            asked.ask(**{lost: None})
        assert SECRET not in str(caught.value)


def test_the_day_of_use_is_noted_once_a_day(asked: Function) -> None:
    asked.token()
    for _ in range(3):
        asked.ask()
    assert asked.table.written == [token_names.sk_token("app")]
    assert steer.tokens(asked.table, AT)[0]["used_on"] == "2026-11-25"
    asked.at = AT + timedelta(days=1)
    asked.ask()
    assert len(asked.table.written) == 2
    assert steer.tokens(asked.table, AT)[0]["used_on"] == "2026-11-26"


def test_a_note_that_cannot_be_taken_keeps_nobody_out(asked: Function) -> None:
    asked.token()
    asked.table.busy_writes = True
    assert asked.ask()["isAuthorized"] is True


def test_noting_the_use_does_not_stand_in_the_way_of_a_rotation(asked: Function) -> None:
    asked.token()
    row = asked.table.get(token_names.PK_TOKENS, token_names.sk_token("app"))
    asked.ask()
    assert asked.table.get(token_names.PK_TOKENS, token_names.sk_token("app"))["epoch"] == row["epoch"]


def test_above_its_limit_a_client_is_told_to_wait_until_the_next_minute(asked: Function) -> None:
    asked.token(requests_per_minute=2)
    assert [asked.ask()["context"].get(names.CONTEXT_WAIT) for _ in range(4)] == [None, None, "40", "40"]
    asked.at = AT + timedelta(seconds=40)
    assert asked.ask()["context"] == {"client": "app"}


def test_a_denied_request_uses_nothing_up(asked: Function) -> None:
    asked.token(requests_per_minute=1)
    for _ in range(3):
        asked.ask(route=("GET /projects/tides", "/projects/tides", {}))
    assert names.CONTEXT_WAIT not in asked.ask()["context"]


def test_a_clock_that_lags_does_not_begin_an_older_minute_again(asked: Function) -> None:
    asked.token(requests_per_minute=1)
    asked.at = AT + timedelta(minutes=1)
    asked.ask()
    asked.at = AT
    assert asked.ask()["context"][names.CONTEXT_WAIT] == "40"
    asked.at = AT + timedelta(minutes=1)
    assert names.CONTEXT_WAIT in asked.ask()["context"]


def test_a_busy_counter_lets_nothing_through(asked: Function) -> None:
    asked.token(requests_per_minute=5)
    asked.table.busy_writes = True
    with pytest.raises(StoreBusy):
        asked.ask()


def test_of_many_at_once_as_many_go_on_as_the_limit_lets() -> None:
    table = MemoryIndex()

    def ask(number: int) -> int:
        return limit.seconds_to_wait("app", limit=10, index=table, counter=table, at=AT)

    with ThreadPoolExecutor(16) as threads:
        waits = list(threads.map(ask, range(60)))
    assert sorted(waits) == [0] * 10 + [40] * 50


def test_the_last_request_of_a_minute_may_be_another_s_meanwhile() -> None:
    """Read as if there were one left, counted as if there were none."""

    class Behind(MemoryIndex):
        def get(self, pk: str, sk: str) -> Any:
            return None

    table = Behind()
    waits = [limit.seconds_to_wait("app", limit=1, index=table, counter=table, at=AT) for _ in range(2)]
    assert waits == [0, 40]


def test_once_the_minute_is_spent_nothing_is_written(asked: Function) -> None:
    asked.token(requests_per_minute=1)
    asked.ask()
    asked.table.busy_writes = True
    assert asked.ask()["context"][names.CONTEXT_WAIT] == "40"


def test_a_token_that_goes_between_read_and_note_is_no_error() -> None:
    class Vanishing(Table):
        def transact(self, changes: Any) -> None:
            if isinstance(changes[0], Update):
                self.rows.clear()
            super().transact(changes)

    table = Vanishing()
    steer.create_token(
        name="app", projects=["tides"], actions=["predict"], secret=SECRET, days=1, requests_per_minute=None,
        by="", index=table, clock=lambda: AT,
    )  # fmt: skip
    verdict = authorize_request(
        route_key=PREDICT[0], path=PREDICT[1], parameters={}, header=BEARER, index=table, counter=table,
        clock=lambda: AT,
    )  # fmt: skip
    assert verdict.denied is None


@pytest.mark.parametrize(
    ("key", "action"),
    [
        ("POST /projects/{project}/predict", "predict"),
        ("POST /projects/tides/outcomes", "outcomes"),
        ("GET /projects/{project}", "read"),
        ("GET /projects/tides/openapi.json", "read"),
        ("POST /projects/{project}/releases/{release}/decision", "release"),
        ("POST /projects/{project}/release", "release"),
        ("GET /projects/{project}/secrets", None),
        ("POST /projects/{project}", None),
        ("ANY /projects/{project}/predict", None),
        ("GET /health", None),
        ("$default", None),
        ("GET /", None),
    ],
)
def test_each_route_stands_for_an_action(key: str, action: str | None) -> None:
    assert routes.action_of(key) == action
