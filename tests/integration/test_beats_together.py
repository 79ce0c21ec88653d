"""Beats that come together extend each its own lease, and no other; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import httpx
import pytest
import sqlalchemy as sa

from tests.support.protocol_worker import Held
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab
from tuner import protocol
from tuner.release import release
from tuner.security.identity import Identity, Scope, calling
from tuner.service.workers.beats import GivenBeat, take_beats
from tuner.service.workers.worker_status import WorkerRegistry
from tuner.storage import Storage, open_storage, tables

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]
COUNT = 12
OPERATOR = Identity(name="operator", scopes=frozenset(Scope))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[ServiceProcess]:
    with make_service(request.param) as service:
        yield service


@pytest.fixture
def held(service: ServiceProcess) -> Iterator[list[Held]]:
    """Return attempts of one study, each with a worker of its own."""
    lab = Lab(service)
    lab.submit(budget={"trials": COUNT})
    yield [lab.claim() for _ in range(COUNT)]
    lab.do("cancel")
    lab.close()


@pytest.fixture
def storage(service: ServiceProcess) -> Iterator[Storage]:
    storage = open_storage(service.database_url, create=False)
    yield storage
    storage.close()


def leases(storage: Storage, held: Sequence[Held]) -> list[float]:
    a = tables.attempts
    with storage.read() as connection:
        query = sa.select(a.c.lease_until)
        return [connection.execute(query.where(a.c.id == one.attempt)).scalar_one() for one in held]


def as_beat(held: Held, token: str | None = None) -> GivenBeat:
    info = protocol.WorkerInfo.from_json(held.worker.info())
    busy = protocol.Beat(worker=info, state="busy", attempt=held.attempt, token=token or held.token)
    return GivenBeat(caller=OPERATOR, beat=busy)


def take(storage: Storage, beats: Sequence[GivenBeat]) -> list[protocol.Reply | None]:
    return take_beats(storage, WorkerRegistry(release()), beats)


def idle_beat(held: Held) -> GivenBeat:
    info = protocol.WorkerInfo.from_json(held.worker.info())
    return GivenBeat(caller=OPERATOR, beat=protocol.Beat(worker=info, state="idle"))


def test_each_extends_its_lease_whoever_beats_beside_it(held: list[Held], storage: Storage) -> None:
    before = leases(storage, held)
    gate = threading.Barrier(COUNT)

    def beat(one: Held) -> httpx.Response:
        gate.wait()
        return one.beat()

    with ThreadPoolExecutor(COUNT) as pool:
        answers = list(pool.map(beat, held))
    assert {answer.status_code for answer in answers} == {200}
    assert all(new > old for new, old in zip(leases(storage, held), before, strict=True))


def test_one_with_a_wrong_token_and_one_that_has_ended_are_left_out(
    held: list[Held], storage: Storage
) -> None:
    assert held[2].complete(1.0).status_code == 200
    before = leases(storage, held)
    beats = [as_beat(held[0]), as_beat(held[1], token="f" * 32), as_beat(held[2]), as_beat(held[3])]
    replies = take(storage, beats)
    assert [reply is not None for reply in replies] == [True, False, False, True]
    after = leases(storage, held)
    assert [new != old for new, old in zip(after, before, strict=True)][:5] == [
        *(True, False, False, True),
        False,
    ]
    # Taken by itself, it is told why.
    assert held[1].worker.beat(
        {"state": "busy", "attempt": held[1].attempt, "token": "f" * 32}
    ).status_code in (409, 410)


# SQLite has one writer at a time, who holds all or nothing.
@pytest.mark.parametrize("service", ["postgresql"], indirect=True)
def test_one_that_somebody_holds_does_not_hold_up_the_others(
    held: list[Held], storage: Storage
) -> None:
    a = tables.attempts
    with storage.begin() as connection:
        connection.execute(sa.select(a.c.id).where(a.c.id == held[0].attempt).with_for_update())
        replies = take(storage, [as_beat(held[0]), as_beat(held[1])])
    assert [reply is not None for reply in replies] == [False, True]


def test_a_worker_that_has_changed_is_left_out(held: list[Held], storage: Storage) -> None:
    held[0].worker.pid += 1
    replies = take(storage, [as_beat(held[0]), as_beat(held[1])])
    assert [reply is not None for reply in replies] == [False, True]


def test_what_is_wanted_of_an_attempt_is_the_answer(held: list[Held], storage: Storage) -> None:
    with storage.begin() as connection:
        a = tables.attempts
        connection.execute(a.update().where(a.c.id == held[1].attempt).values(wanted="prune"))
    replies = take(storage, [as_beat(one) for one in held[:2]])
    assert [reply and reply.order for reply in replies] == ["continue", "prune"]


def test_an_idle_worker_is_heard_of_and_one_that_holds_an_attempt_is_left_out(
    held: list[Held], storage: Storage
) -> None:
    assert held[0].complete(1.0).status_code == 200
    registry = WorkerRegistry(release())
    beats = [idle_beat(held[0]), idle_beat(held[1])]
    # By itself first: a server that was just started knows no process yet.
    assert take_beats(storage, registry, beats) == [None, None]
    with storage.begin() as connection, calling(OPERATOR):
        for one in beats:
            registry.register(connection, one.beat.worker, storage.now(connection))
        # As after a beat that said so, and ended nothing because its claim was just answered.
        connection.execute(tables.workers.update().values(state="idle", attempt=None))
    before = last_seen(storage, held)
    replies = take_beats(storage, registry, beats)
    assert [reply is not None for reply in replies] == [True, False]
    after = last_seen(storage, held)
    assert [new > old for new, old in zip(after, before, strict=True)][:2] == [True, False]


def last_seen(storage: Storage, held: Sequence[Held]) -> list[float]:
    w = tables.workers
    with storage.read() as connection:
        rows = dict(connection.execute(sa.select(w.c.name, w.c.last_seen)).all())
    return [rows[one.worker.name] for one in held]
