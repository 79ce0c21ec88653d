"""Optuna's own storage suite, on the databases as Tuner opens them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.testing.pytest_storages import StorageTestCase

from tuner.storage import optuna_rows
from tuner.storage.database import open_optuna


@pytest.fixture(scope="module")
def opened(lasting_url: str) -> Iterator[RDBStorage]:
    storage = open_optuna(lasting_url)
    yield storage
    storage.engine.dispose()


class TestOptunaStorage(StorageTestCase):
    @pytest.fixture
    def storage(self, opened: RDBStorage) -> Iterator[RDBStorage]:
        yield opened
        opened.remove_session()
        with opened.engine.begin() as connection:
            query = sa.text("SELECT study_id, study_name FROM studies")
            for study in connection.execute(query).all():
                optuna_rows.delete_study(connection, study.study_id, study.study_name)
