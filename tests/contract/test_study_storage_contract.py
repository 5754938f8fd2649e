"""Optuna's own test case for storages, over every adapter of the table and the bucket."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from optuna.testing.pytest_storages import StorageTestCase

from tidemill.ports import Index, ObjectStore
from tidemill.training.studies.storage import Ports, StudyStorage

OPEN: dict[str, Ports] = {}


@dataclass(frozen=True)
class Connect:
    """Gives the ports of a test again, also after it was pickled."""

    token: str

    def __call__(self) -> Ports:
        return OPEN[self.token]


@pytest.fixture
def storage(index: Index, objects: ObjectStore) -> Iterator[StudyStorage]:
    token = uuid.uuid4().hex
    OPEN[token] = (index, objects)
    yield StudyStorage(Connect(token), "tides")
    del OPEN[token]


class TestStudyStorage(StorageTestCase):
    """All tests of optuna.testing."""
