"""What is nobody's fault, or the database's, is not held against a study or its trials."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.support.hostile.study_faults import HEALTHY, VICTIM, House, build
from tuner import protocol
from tuner.coordinator.studies import memory
from tuner.storage import tables
from tuner.trials.faults import is_own


@contextmanager
def opened(home: Path, url: str | None = None) -> Iterator[House]:
    build(home, url)
    house = House(home, url)
    yield house
    house.close()


def test_a_trial_is_retried_though_its_study_is_still_being_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_load = threading.Event()
    load = memory.load_study_run

    def load_late(*arguments: Any) -> Any:
        may_load.wait()
        return load(*arguments)

    with opened(tmp_path / "home") as house:
        held = house.take(VICTIM, of_dead=True)
        house.restart()
        monkeypatch.setattr(memory, "load_study_run", load_late)
        monkeypatch.setattr(memory, "LOAD_WAIT_S", 0.0)
        try:
            house.rounds(1, void_dead_local=True)
        finally:
            may_load.set()
        a, t = tables.attempts, tables.trials
        with house.storage.read() as connection:
            attempt = connection.execute(sa.select(a).where(a.c.id == held.given.attempt)).one()
            trial = connection.execute(
                sa.select(t).where(t.c.study_id == attempt.study_id, t.c.number == attempt.number)
            ).one()
        assert attempt.state == "lost"
        assert trial.state == "waiting"


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.IdleInTransactionSessionTimeout,
        psycopg.errors.ReadOnlySqlTransaction,
        psycopg.errors.SerializationFailure,
        psycopg.errors.AdminShutdown,
        psycopg.errors.DiskFull,
    ],
)
def test_what_the_database_does_to_everybody_is_no_studys_fault(
    error: type[psycopg.Error],
) -> None:
    kind = sa.exc.OperationalError
    if issubclass(error, psycopg.InternalError):
        kind = sa.exc.InternalError  # type: ignore[assignment]
    assert not is_own(kind("SELECT 1", {}, error("no")))


def test_a_claim_that_is_sent_twice_at_once_gives_one_trial_and_pauses_nothing(
    tmp_path: Path, postgres_url: str
) -> None:
    with opened(tmp_path / "home", postgres_url) as house:
        house.idle(6)
        house.rounds()
        worker = protocol.WorkerInfo(name="twice", host="elsewhere", pid=1, device="cpu")
        claim = protocol.Claim(
            token=secrets.token_hex(16), worker=worker, wait_s=0.0, version=protocol.VERSION
        )
        given: list[protocol.Assignment | None] = []
        # So that the two do not wait for each other with the row of their worker.
        house.desk.beat(protocol.Beat(worker=worker, state="idle"))
        armed = threading.local()
        armed.here = True

        def send_again(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if not getattr(armed, "here", False) or "UPDATE tuner_attempts SET" not in statement:
                return
            armed.here = False
            other = threading.Thread(target=lambda: given.append(house.desk.claim(claim)))
            other.start()
            other.join()

        sa.event.listen(sa.Engine, "before_cursor_execute", send_again)
        try:
            given.append(house.desk.claim(claim))
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", send_again)
        first, second = given
        assert first is not None
        assert second is not None
        assert first.attempt == second.attempt
        assert {name: state for name, (state, _) in house.states().items()} == {
            VICTIM: "running",
            HEALTHY: "running",
        }
