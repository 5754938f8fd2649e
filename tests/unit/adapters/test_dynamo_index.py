"""The table on DynamoDB when an answer is lost: the SDK sends the request again, and it counts once.

Only changes with a proof are tried here: without one they are transactions, whose tokens moto does not heed.
"""

from collections.abc import Iterator
from typing import Any

import boto3
import optuna
import pytest
from moto import mock_aws
from optuna.trial import TrialState

from tidemill.adapters.index import DynamoIndex
from tidemill.adapters.memory import MemoryObjects
from tidemill.errors import ConflictError
from tidemill.ports import Put, Update
from tidemill.training.studies.storage import StudyStorage

PK = "PROJECT#tides"


def client() -> Any:
    return boto3.client("dynamodb", region_name="eu-central-1")


@pytest.fixture
def asked() -> list[str]:
    """The operations that were sent, each time."""
    return []


@pytest.fixture
def forgetful(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoIndex]:
    """A table of which the first answer to each call never comes."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        sdk = client()
        sdk.create_table(
            TableName="table",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )

        def lost(attempts: int, operation: Any, **_: Any) -> int | None:
            asked.append(operation.name)
            return 0 if attempts == 1 else None  # wait for so long, and send it again

        sdk.meta.events.register_first("needs-retry.dynamodb", lost)
        yield DynamoIndex(sdk, "table")


def test_a_row_that_may_be_there_once_is_written_by_whoever_was_first(forgetful: DynamoIndex) -> None:
    forgetful.transact([Put(PK, "row", {"n": 1, "by": "me"}, if_absent=True, proof="by")])
    with pytest.raises(ConflictError):
        forgetful.transact([Put(PK, "row", {"n": 2, "by": "you"}, if_absent=True, proof="by")])
    assert (forgetful.get(PK, "row") or {})["n"] == 1


@pytest.mark.parametrize("more", [[], [Put(PK, "beside", {})]])
def test_a_change_of_what_it_asks_for_is_made_once(forgetful: DynamoIndex, more: list[Put]) -> None:
    forgetful.transact([Put(PK, "row", {"state": "open"})])
    closed = {"state": "closed", "by": "me"}
    forgetful.transact([Update(PK, "row", closed, {"state": "open"}, "by"), *more])
    with pytest.raises(ConflictError):
        forgetful.transact([Update(PK, "row", {**closed, "by": "you"}, {"state": "open"}, "by"), *more])
    assert (forgetful.get(PK, "row") or {})["by"] == "me"


def test_a_pointer_moves_once(forgetful: DynamoIndex) -> None:
    for epoch in range(3):
        row = {"epoch": epoch + 1, "by": f"writer {epoch}"}
        forgetful.transact([Put(PK, "pointer", row, if_epoch=epoch, proof="by")])
    assert (forgetful.get(PK, "pointer") or {})["epoch"] == 3


def test_what_needs_no_transaction_costs_none(forgetful: DynamoIndex, asked: list[str]) -> None:
    forgetful.transact([Put(PK, "row", {"state": "open", "by": "me"}, if_absent=True, proof="by")])
    forgetful.transact([Update(PK, "row", {"state": "closed", "by": "you"}, {"state": "open"}, "by")])
    forgetful.transact([Update(PK, "row", {"other": 1}, {"state": "closed"})])
    assert set(asked) == {"PutItem", "UpdateItem"}


def test_a_search_loses_and_doubles_no_trial(forgetful: DynamoIndex, asked: list[str]) -> None:
    steady = StudyStorage(lambda: (DynamoIndex(client(), forgetful.table), MemoryObjects()), "tides")
    optuna.create_study(storage=steady, study_name="search")
    storage = StudyStorage(lambda: (forgetful, MemoryObjects()), "tides")
    study = optuna.load_study(storage=storage, study_name="search", sampler=optuna.samplers.RandomSampler(seed=1))
    study.enqueue_trial({"x": 0.25})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4)
    trials = steady.get_all_trials(steady.get_study_id_from_name("search"))
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert [trial.value for trial in trials] == [trial.params["x"] for trial in trials]
    assert trials[0].params == {"x": 0.25}
    assert asked.count("PutItem") == 2 * 4
