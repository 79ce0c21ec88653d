"""Several servers on one database: one of them coordinates, and the others take over from it."""

from __future__ import annotations

import importlib.util
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
import sqlalchemy as sa

from tests.integration.test_history_lessons import objective, run, submit, verdicts
from tests.integration.workers_process import Started
from tests.support.patience import clock, hold, wait_until
from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.service_process import TOKEN, Nursery, ServiceProcess
from tests.support.study_lab import Lab
from tuner.coordinator import leadership
from tuner.coordinator.leadership import Leadership
from tuner.errors import FencedError
from tuner.storage import Storage, open_storage, tables

Pair = tuple[ServiceProcess, ServiceProcess]
#: Longer than a busy machine holds a leader up that is not to lose its lead.
LEAD_S = 4.0
LEARNING_SAMPLERS = ["bayesian", "tpe"]
if importlib.util.find_spec("torch") is not None:
    # Three processes import torch, one after the other.
    LEARNING_SAMPLERS.append(pytest.param("gp", marks=pytest.mark.slow))


@pytest.fixture
def pair(nursery: Nursery, tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Pair]:
    """Two servers on one PostgreSQL; the first one leads."""
    first, second = (
        ServiceProcess(nursery, tmp_path / name, postgres_url, redis_url, leader_lease_s=LEAD_S)
        for name in ("first", "second")
    )
    with first.running():
        wait_leader(first, first)
        with second.running():
            yield first, second


def leader(service: ServiceProcess) -> int:
    """Return the process id of the server that leads, 0 when there is none yet."""
    engine = sa.create_engine(service.database_url)
    with engine.connect() as connection:
        holder = connection.execute(sa.select(tables.leader.c.holder)).scalar_one_or_none()
    engine.dispose()
    return int(holder.rsplit("-", 2)[1]) if holder else 0


def wait_leader(service: ServiceProcess, wanted: ServiceProcess, timeout_s: float = 20.0) -> None:
    deadline = clock() + timeout_s
    while leader(service) != wanted.pid:
        assert clock() < deadline, f"server {wanted.pid} does not lead"
        time.sleep(0.05)


def is_exact(lab: Lab, trials: int) -> bool:
    """Whether every number was given once, to a configuration of its own, and told."""
    found = lab.trials()
    params = {str(trial["params"]) for trial in found}
    told = [(trial.number, trial.values) for trial in lab.optuna_trials()]
    ours = [(trial["trial"], [trial["objective"]]) for trial in found]
    return len(params) == trials and told == ours and [n for n, _ in ours] == list(range(trials))


@pytest.mark.slow
@pytest.mark.parametrize("sampler", LEARNING_SAMPLERS)
def test_every_proposal_comes_out_of_its_record_again_after_a_takeover(
    pair: Pair, sampler: str
) -> None:
    first, second = pair
    run(second, "teacher", sampler={"name": "random", "seed": 3}, budget={"trials": 12})
    options = {} if sampler == "bayesian" else {"startup_trials": 2}
    lab = submit(second, "pupil", sampler={"name": sampler, "seed": 5, **options})
    worker = lab.worker()
    for _ in range(4):
        held = worker.claim()
        held.complete(objective(held))
    held = worker.claim()
    first.kill()
    wait_leader(second, second)
    held.complete(objective(held))
    lab.run(worker, objective)
    proposals = [lab.show(number)["proposal"] for number in range(8)]

    assert verdicts(lab) == [("same", "")] * 8
    artifacts = {proposal["artifact"] for proposal in proposals}
    assert len(artifacts) == 1, "what was learnt from history outlives the one that learnt it"
    assert (artifacts != {None}) == (sampler == "bayesian")
    assert any(proposal["sampler"] == sampler for proposal in proposals)


def test_workers_of_both_servers_get_trials_of_the_one_that_leads(pair: Pair) -> None:
    first, second = pair
    lab = Lab(first)
    lab.submit(budget={"trials": 10})
    workers = [lab.worker(), ProtocolWorker(second, image=lab.image)]
    while lab.status()["state"] == "running":
        for worker in workers:
            held = worker.try_claim(wait_s=0.1)
            if held is not None:
                assert held.complete(float(held.params["x"])).status_code == 200
    lab.wait_closed()

    assert is_exact(lab, 10)
    assert leader(first) == first.pid, "a lead that is kept does not change hands"


def test_when_the_leader_dies_another_server_goes_on(pair: Pair) -> None:
    first, second = pair
    lab = Lab(second)
    lab.submit(budget={"trials": 6})
    worker = lab.worker()
    running = worker.claim()
    first.kill()
    wait_leader(second, second)
    running.complete(0.5)
    lab.run(worker, lambda held: float(held.params["x"]))

    assert is_exact(lab, 6)


def test_a_leader_that_was_frozen_finds_that_it_was_replaced(pair: Pair) -> None:
    first, second = pair
    lab = Lab(second)
    lab.submit(budget={"trials": 12})
    worker = lab.worker()
    worker.claim().complete(0.5)
    freeze_until_replaced(first, second)
    for _ in range(4):
        worker.claim().complete(0.5)
    os.kill(first.pid, signal.SIGCONT)
    own = ProtocolWorker(first, image=lab.image)
    # The old leader is asked to look around, and must not propose.
    for _ in range(3):
        own.beat()
    while lab.status()["state"] == "running":
        for one in (worker, own):
            held = one.try_claim(wait_s=0.1)
            if held is not None:
                assert held.complete(0.5).status_code == 200
    lab.wait_closed()

    assert is_exact(lab, 12)
    assert leader(second) == second.pid
    assert "coordinator was replaced" in first.log.read_text()


def test_a_leader_that_is_frozen_inside_a_transaction_holds_nobody_up(pair: Pair) -> None:
    first, second = pair
    second.kill()
    first.kill()
    # It halts right before a commit, with its locks.
    first.start(fault="propose.before-commit:stop:3")
    wait_leader(first, first)
    second.start()
    lab = Lab(second)
    lab.submit(budget={"trials": 8})
    lab.run(lab.worker(), lambda held: float(held.params["x"]))

    assert leader(second) == second.pid
    os.kill(first.pid, signal.SIGCONT)
    assert is_exact(lab, 8)


def test_reports_to_a_server_that_does_not_lead_are_judged_as_well(pair: Pair) -> None:
    first, second = pair
    lab = Lab(second)
    lab.submit(
        pruner={"name": "median", "startup_trials": 1, "warmup_steps": 0}, budget={"trials": 2}
    )
    good = lab.claim("good")
    for step in (1, 2, 3):
        assert good.report(step, 0.9).json()["order"] == "continue"
    good.complete(0.9)
    bad = lab.claim("bad")
    assert bad.report(1, 0.1).json()["order"] == "continue", "only the leader can judge"

    lab.wait(lambda: bad.beat().json()["order"] == "prune", "the leader's verdict", timeout_s=5)
    assert bad.pruned().json()["record"]["outcome"] == "PRUNED"
    assert leader(first) == first.pid


@pytest.mark.slow
def test_a_worker_that_knows_both_servers_goes_on_with_the_one_that_lives(
    pair: Pair, tmp_path: Path
) -> None:
    first, second = pair
    lab = Lab(second)
    lab.submit(objective="workers_trials:noop", budget={"trials": 40}, image=None)
    both = SimpleNamespace(url=f"{first.url}, {second.url}", token=TOKEN)
    worker = Started(["run", "--name=w1", "--preimport=none"], tmp_path / "worker", both)
    try:
        lab.wait(lambda: lab.status()["counts"]["complete"] >= 3, "the first trials")
        first.kill()
        lab.wait_closed()
    finally:
        worker.close()

    assert is_exact(lab, 40)
    assert leader(second) == second.pid


def test_a_leader_that_loads_for_long_is_not_replaced(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leadership, "LEAD_S", 1.5)
    storage = open_storage(sqlite_url, create=True)
    one, other = Leadership(storage), Leadership(storage)
    assert one.acquire()
    with one.kept():
        hold(lambda: not other.acquire(), "the lead is kept", seconds=4)
    wait_until(other.acquire, "it is kept no longer than the block lasts", seconds=5)
    with one.kept():
        hold(lambda: is_fenced(storage, one), "what was lost stays lost", seconds=0.6)
    storage.close()


def is_fenced(storage: Storage, leadership: Leadership) -> bool:
    with storage.begin() as connection:
        try:
            leadership.require(connection)
        except FencedError:
            return True
    return False


def freeze_until_replaced(first: ServiceProcess, second: ServiceProcess) -> None:
    """Stop a server in its tracks and wait until the other leads."""
    os.kill(first.pid, signal.SIGSTOP)
    wait_leader(second, second)


def test_broken_database_connections_cost_no_result(
    make_service: Callable[..., AbstractContextManager[ServiceProcess]],
) -> None:
    with make_service("postgresql") as service:
        lab = Lab(service)
        break_connections_all_the_time(lab)

        assert is_exact(lab, 12)
        assert [trial["attempts"] for trial in lab.trials()] == [1] * 12


def break_connections_all_the_time(lab: Lab) -> None:
    """Run a study of 12 trials while the database throws everyone out."""
    lab.submit(budget={"trials": 12})
    worker = lab.worker()
    url = sa.make_url(lab.service.database_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as admin:
        for number in range(12):
            held = claim_stubbornly(worker)
            break_connections(admin)
            assert held.report(1, 0.5).status_code in (200, 503)
            break_connections(admin)
            while (answer := held.complete(number / 12)).status_code == 503:
                """A worker tries again."""
            assert answer.json()["is_outcome"] is True
            break_connections(admin)
    lab.wait_closed()


def claim_stubbornly(worker: ProtocolWorker) -> Held:
    """Claim as a worker does: with the same token until there is an answer."""
    body = worker.claim_body(wait_s=0.3)
    deadline = clock() + 30
    while clock() < deadline:
        answer = worker.post("/claim", body)
        assert answer.status_code in (200, 204, 503), answer.text
        if answer.status_code == 200:
            return Held(worker, body["token"], answer.json())
    raise AssertionError("nothing to claim")


def break_connections(admin: psycopg.Connection) -> None:
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
