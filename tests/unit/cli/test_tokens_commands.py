"""`tidemill tokens`: what is printed and what is kept; and a token in place of a signature."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cli.api import Api
from cli.deployment import Deployment
from tidemill import names, token_names
from tidemill.serving.tokens import form

Run = Callable[..., Any]


def denial(deployment: Deployment, token: str) -> bool:
    """Whether a stored digest is not of this token's secret."""
    read = form.read(f"Bearer {token}")
    assert read is not None
    row = deployment.index.get(token_names.PK_TOKENS, token_names.sk_token(read.name)) or {}
    return not form.is_secret(read.secret, row["sha256"])


def test_a_token_is_printed_alone_and_once(run: Run, deployment: Deployment) -> None:
    done = run("tokens", "create", "shop", "-p", "flights", "-p", "diamonds", "--may", "outcomes", "--days", "9")
    assert done.exit_code == 0, done.stderr
    (token,) = done.stdout.splitlines()
    assert not denial(deployment, token)
    assert "outcomes on diamonds, flights" in done.stderr and "not shown again" in done.stderr
    assert token not in done.stderr
    listed = run("tokens", "list")
    assert "shop" in listed.stdout and "live" in listed.stdout
    secret = token.rpartition("_")[2]
    assert secret not in listed.stdout and secret not in run("tokens", "list", "--json").stdout
    (row,) = json.loads(run("tokens", "list", "--json").stdout)["tokens"]
    assert row["projects"] == ["diamonds", "flights"] and row["actions"] == ["outcomes"]
    assert row["by"].startswith("arn:aws")


def test_each_token_has_a_secret_of_its_own(run: Run) -> None:
    tokens = {run("tokens", "create", f"shop{n}", "-p", "flights").stdout.strip()[9:] for n in range(4)}
    assert len(tokens) == 4


def test_the_action_is_to_predict_unless_others_are_named(run: Run) -> None:
    facts = json.loads(run("tokens", "create", "shop", "-p", "flights", "--json").stdout)
    assert facts["actions"] == ["predict"] and facts["token"].startswith("tm_shop_")


def test_a_stage_that_asks_for_something_else_is_said(run: Run, deployment: Deployment) -> None:
    """Before there was a choice, a stage wrote nothing down: it asks for IAM."""
    said = "asks for {}: no token opens it yet"
    assert said.format("iam") in run("tokens", "create", "one", "-p", "flights").stderr
    ssm = deployment.client("ssm")
    for auth in ("jwt", "token"):
        ssm.put_parameter(Name=names.parameter("dev", "auth"), Value=auth, Type="String", Overwrite=True)
        told = run("tokens", "create", auth, "-p", "flights").stderr
        assert (said.format(auth) in told) is (auth != "token")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "shop", "-p", "ebb"), "no project 'ebb'"),
        (("create", "Shop", "-p", "flights"), "token name 'Shop'"),
        (("create", "shop", "-p", "flights", "--may", "all"), "predict, outcomes, read, release"),
        (("rotate", "shop"), "there is no token 'shop'"),
        (("revoke", "shop"), "there is no token 'shop'"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_remedy(run: Run, words: tuple[str, ...], said: str) -> None:
    done = run("tokens", *words)
    assert done.exit_code == 1 and said in done.stderr and done.stdout == ""


def test_a_name_is_given_once(run: Run, deployment: Deployment) -> None:
    first = run("tokens", "create", "shop", "-p", "flights").stdout.strip()
    again = run("tokens", "create", "shop", "-p", "flights")
    assert again.exit_code == 1 and "tidemill tokens rotate shop" in again.stderr and again.stdout == ""
    assert not denial(deployment, first)


def test_rotate_and_revoke(run: Run, deployment: Deployment) -> None:
    first = run("tokens", "create", "shop", "-p", "flights").stdout.strip()
    done = run("tokens", "rotate", "shop", "--grace-hours", "2")
    second = done.stdout.strip()
    assert denial(deployment, first) and not denial(deployment, second)
    assert "Older secrets open until" in done.stderr
    assert "Older secrets" not in run("tokens", "rotate", "shop", "--grace-hours", "0").stderr
    assert "opens nothing since" in run("tokens", "revoke", "shop", "--reason", "leaked").stdout
    assert "was revoked" in run("tokens", "rotate", "shop").stderr
    trail = deployment.index.query(names.pk("flights"), names.AUDIT)
    assert [row["action"] for row in trail] == [
        "serving.token_created", "serving.token_rotated", "serving.token_rotated", "serving.token_revoked",
    ]  # fmt: skip
    assert trail[-1]["details"]["reason"] == "leaked" and trail[0]["by"].startswith("arn:aws")


@pytest.fixture
def with_tokens(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The tokens of the clients that were asked."""
    seen: list[str | None] = []

    def call(api: Api, method: str, path: str, body: Any = None) -> dict[str, Any]:
        seen.append(api._token)
        return {"accepted": 1, "predictions": [], "model_version": 1, "variant": "1", "paths": {},
                "components": {"securitySchemes": {}}}  # fmt: skip

    monkeypatch.setattr(Api, "call", call)
    return seen


@pytest.mark.parametrize(
    "words", [("predict", "flights", "rows.json"), ("outcomes", "flights", "rows.json"), ("openapi", "flights")]
)
def test_the_token_is_the_options_or_the_environments(
    run: Run, with_tokens: list[str | None], monkeypatch: pytest.MonkeyPatch, tmp_path: Any, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = '[{"prediction_id": "r.0", "outcome": 1}]' if words[0] == "outcomes" else "[]"
    (tmp_path / "rows.json").write_text(rows)
    for given, environment, expected in (
        ((), None, None),
        (("--token", "tm_a"), None, "tm_a"),
        ((), "tm_b\n", "tm_b"),
        (("--token", "tm_a"), "tm_b", "tm_a"),
    ):
        if environment is not None:
            monkeypatch.setenv(token_names.ENV_TOKEN, environment)
        done = run(*words, *given)
        assert done.exit_code == 0, done.stderr
        assert with_tokens[-1] == expected


@pytest.mark.parametrize("bad", ["tm_se cret", "tm_secret\nX-Other: 1", "tm_secr\u00e9t", "tm_secret\x00"])
def test_what_cannot_be_a_token_is_refused_and_not_shown(run: Run, bad: str) -> None:
    done = run("openapi", "flights", "--token", bad)
    assert done.exit_code == 1 and "cannot be a token" in done.stderr
    assert "tm_" not in done.stderr + done.stdout and "Traceback" not in done.stderr


def test_help_does_not_show_the_token_of_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(token_names.ENV_TOKEN, "tm_secret")
    for command in ("predict", "outcomes", "openapi"):
        assert "tm_secret" not in run(command, "--help").stdout
