"""What `tuner run` shows beside its bar: trials that ended, and notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.history.database import HistoryDatabase, complete, history_database
from tuner.cli.reading.feed import PRUNER_NOTE, Feed
from tuner.storage import tables
from tuner.trials.store.events import record_event


@pytest.fixture
def base(tmp_path: Path) -> Iterator[HistoryDatabase]:
    with history_database(tmp_path) as base:
        yield base


def test_why_a_trial_is_stopped_is_not_its_end(base: HistoryDatabase) -> None:
    params = {"train.rate": 1e-3, "train.momentum": 0.5}
    base.add_study("s", [complete(params, 0.5), complete(params, 0.6)])
    feed = Feed(base.service, "vision/s")
    with base.storage.begin() as connection:
        study = connection.execute(sa.select(tables.studies.c.id)).scalar_one()
        for number, kind in ((0, "trial-stopped"), (1, "trial-complete")):
            record_event(connection, 1.0, kind, "text", study_id=study, number=number)

    assert [trial["trial"] for trial in feed.look().ended] == [1]


def test_the_first_rung_is_a_note_and_a_warning_of_it_another(base: HistoryDatabase) -> None:
    base.add_study("s", [])
    feed = Feed(base.service, "vision/s")
    with base.storage.begin() as connection:
        study = connection.execute(sa.select(tables.studies.c.id)).scalar_one()
        for kind in ("pruner-rung", "pruner-misleads"):
            record_event(connection, 1.0, kind, kind, study_id=study)

    assert feed.look().notes == (PRUNER_NOTE + "pruner-rung", "pruner-misleads")
