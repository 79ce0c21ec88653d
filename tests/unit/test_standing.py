"""Where a worker stands that calls: new or known, to stay or to leave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tuner.protocol import WorkerInfo
from tuner.service.workers.worker_status import WorkerRegistry, WorkerStatus
from tuner.storage import Storage, open_storage, tables
from tuner.trials.states import WorkerState
from tuner.trials.store import workers
from tuner.trials.store.workers import FORGOTTEN_EARLY_S, FORGOTTEN_S, set_worker

NOW = 1_800_000_000.0
#: A study's row, as far as it must be.
STUDY = {
    "id": 1,
    "project": "p",
    "name": "s",
    "state": "running",
    "optuna_id": 1,
    "spec_json": "{}",
    "identity": "i",
    "seed": 1,
    "device": "cpu",
    "created": NOW,
}


@pytest.fixture
def storage(sqlite_url: str) -> Iterator[Storage]:
    storage = open_storage(sqlite_url, create=True)
    yield storage
    storage.close()


def call(
    storage: Storage, reception: WorkerRegistry, *, pid: int = 1, release: str = "", at: float = NOW
) -> WorkerStatus:
    """Have a worker claim or be idle."""
    info = WorkerInfo(name="w", host="h", pid=pid, release=release)
    with storage.begin() as connection:
        standing = reception.register(connection, info, at)
        set_worker(connection, "w", WorkerState.IDLE, None, at, standing.changes)
    return standing


def drain(storage: Storage) -> None:
    with storage.begin() as connection:
        connection.execute(tables.workers.update().values(drain=True))


def test_an_older_worker_is_to_leave_and_a_newer_or_equal_one_stays(storage: Storage) -> None:
    reception = WorkerRegistry("0.3.0")
    old = call(storage, reception, release="0.2.9")

    assert (old.drain, old.is_in_service) == (True, False)
    assert old.reason == "its release 0.2.9 is older than the server's 0.3.0"
    for release in ("0.3.0", "0.10.0", "", "0+source", "unknown"):
        assert call(storage, reception, release=release).drain is False, release


def test_a_worker_that_was_upgraded_in_its_slot_stays(storage: Storage) -> None:
    reception = WorkerRegistry("0.3.0")
    call(storage, reception, release="0.2.9")
    assert call(storage, reception, release="0.2.9").drain is True
    upgraded = call(storage, reception, pid=2, release="0.3.0")

    assert (upgraded.drain, upgraded.reason) == (False, "")
    assert upgraded.is_new_process


def test_a_drained_worker_that_crashes_is_still_to_leave(storage: Storage) -> None:
    reception = WorkerRegistry("0.3.0")
    call(storage, reception)
    drain(storage)
    again = call(storage, reception, pid=2, at=NOW + 5)

    assert (again.drain, again.reason) == (True, "drained by a user")


def test_who_comes_much_later_under_a_drained_name_is_another_worker(storage: Storage) -> None:
    reception = WorkerRegistry("0.3.0")
    call(storage, reception)
    drain(storage)

    assert call(storage, reception, pid=1, at=NOW + 600).drain is True, "it only said nothing"
    assert call(storage, reception, pid=2, at=NOW + 1200).drain is False


def test_a_process_is_new_once_and_one_that_comes_back_is_none(storage: Storage) -> None:
    reception = WorkerRegistry("0.3.0")
    first = [call(storage, reception).is_new_process for _ in range(2)]
    second = [call(storage, reception, pid=2).is_new_process for _ in range(2)]
    back = [call(storage, reception, pid=pid).is_new_process for pid in (1, 2, 1)]

    assert (first, second, back) == ([False] * 2, [True, False], [False] * 3)
    assert call(storage, WorkerRegistry("0.3.0"), pid=1).is_new_process is False, (
        "a restarted server"
    )


def add_worker(storage: Storage, name: str, seen: float) -> None:
    row = {"name": name, "host": "h", "pid": 1, "device": "cpu", "state": "idle"}
    with storage.begin() as connection:
        connection.execute(tables.workers.insert().values(**row, first_seen=seen, last_seen=seen))


def names(storage: Storage) -> list[str]:
    with storage.read() as connection:
        return list(connection.execute(sa.select(tables.workers.c.name)).scalars())


def test_workers_that_are_gone_for_a_week_are_forgotten_when_a_new_one_comes(
    storage: Storage,
) -> None:
    add_worker(storage, "gone", NOW - FORGOTTEN_S - 1)
    add_worker(storage, "away", NOW - FORGOTTEN_S + 1)
    add_worker(storage, "holds", NOW - FORGOTTEN_S - 1)
    with storage.begin() as connection:
        row = {"id": "s1-t0-a1", "study_id": 1, "number": 0, "no": 1, "run_dir": "r"}
        attempt = {**row, "state": "leased", "worker": "holds", "created": NOW}
        connection.execute(tables.studies.insert().values(**STUDY))
        connection.execute(tables.attempts.insert().values(**attempt))
    call(storage, WorkerRegistry("0.3.0"))

    assert sorted(names(storage)) == ["away", "holds", "w"]


def test_of_too_many_workers_those_not_heard_of_for_longest_are_forgotten_after_an_hour(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MOST", 3)
    for number in range(5):
        add_worker(storage, f"w{number}", NOW - FORGOTTEN_EARLY_S - 10 + number)
    add_worker(storage, "lately", NOW - FORGOTTEN_EARLY_S + 1)
    call(storage, WorkerRegistry("0.3.0"))

    assert sorted(names(storage)) == ["lately", "w", "w3", "w4"]
