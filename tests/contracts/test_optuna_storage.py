"""Optuna's own storage suite, on the databases as Tuner opens them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.testing.pytest_storages import StorageTestCase

from tuner.storage import optuna_rows
from tuner.storage.database import open_optuna


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RDBStorage]:
    """One database of each kind for the whole suite: making the tables costs more than a test."""
    if request.param == "sqlite":
        storage = open_optuna(f"sqlite:///{tmp_path_factory.mktemp('optuna') / 'optuna.db'}")
        yield storage
        storage.engine.dispose()
        return
    with request.getfixturevalue("postgres_server").fresh_database() as url:
        storage = open_optuna(url)
        yield storage
        storage.engine.dispose()


class TestOptunaStorage(StorageTestCase):
    @pytest.fixture
    def storage(self, opened: RDBStorage) -> Iterator[RDBStorage]:
        yield opened
        opened.remove_session()
        with opened.engine.begin() as connection:
            for study in connection.execute(sa.text("SELECT study_id FROM studies")).scalars():
                optuna_rows.delete_study(connection, study)
