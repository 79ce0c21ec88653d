"""Optuna's own storage suite, on the databases as Tuner opens them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from optuna.storages import RDBStorage
from optuna.testing.pytest_storages import StorageTestCase

from tuner.storage.database import open_optuna


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RDBStorage]:
    """One database of each kind for the whole suite: making the tables costs more than a test."""
    if request.param == "sqlite":
        yield open_optuna(f"sqlite:///{tmp_path_factory.mktemp('optuna') / 'optuna.db'}")
        return
    with request.getfixturevalue("postgres_server").fresh_database() as url:
        storage = open_optuna(url)
        yield storage
        storage.engine.dispose()


class TestOptunaStorage(StorageTestCase):
    @pytest.fixture
    def storage(self, opened: RDBStorage) -> Iterator[RDBStorage]:
        yield opened
        for study in opened.get_all_studies():
            opened.delete_study(study._study_id)
        opened.remove_session()
