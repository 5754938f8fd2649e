"""Canonical form, settings, audit rows, metric lines."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import canonical, env_names, names, observability, settings
from tidemill.governance import audit

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=6))
def test_identity_does_not_depend_on_the_order_of_keys(value: dict) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical.identity(turned) == canonical.identity(value)
    assert json.loads(canonical.dumps(value)) == value


def test_canonical_form_refuses_what_json_cannot_say() -> None:
    with pytest.raises(ValueError):
        canonical.dumps({"share": float("nan")})


def test_sha256_is_the_published_one() -> None:
    # FIPS 180-2, appendix B.1
    assert canonical.sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_settings_name_the_variable_that_is_missing() -> None:
    environment = {env_names.ENV_STAGE: "dev", env_names.ENV_BUCKET: "b", env_names.ENV_TABLE: "t"}
    made = settings.from_environment(
        {**environment, env_names.ENV_LOOK_SECONDS: "2.5", env_names.ENV_REHEARSAL: "true"}
    )
    assert (made.stage, made.look_seconds, made.rehearsal, made.cool_down_seconds) == ("dev", 2.5, True, None)
    with pytest.raises(KeyError, match=env_names.ENV_TABLE):
        settings.from_environment({k: v for k, v in environment.items() if k != env_names.ENV_TABLE})


def test_an_audit_row_is_the_same_when_its_transaction_is_tried_again() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    rows = [
        audit.entry(project="tides", action="data.accepted", subject="dataset v00001", at=at, by="f", rows=3)
        for _ in range(2)
    ]
    assert rows[0] == rows[1]
    assert rows[0].sk.startswith(f"{names.AUDIT}2026-01-02T03:04:05")


def test_a_metric_line_carries_project_and_stage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "monitoring")
    observability.counts({names.METRIC_DRIFT_DETECTED: 1}, project="tides")
    line = json.loads(capsys.readouterr().out)
    (declared,) = line["_aws"]["CloudWatchMetrics"]
    assert declared["Namespace"] == "Tidemill"
    assert sorted(declared["Dimensions"][0]) == ["project", "service"]
    assert (line["project"], line["service"], line["DriftDetected"]) == ("tides", "monitoring", [1.0])
