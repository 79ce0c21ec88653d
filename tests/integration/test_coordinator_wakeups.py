"""Redis only wakes: emptied, flooded, killed or back again, it changes no result.

The workers are real ones. Without a wake-up an idle worker asks for work every 30 s, so a study
that is done sooner was announced to it.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from tests.integration.workers_process import Started
from tests.support.patience import clock
from tests.support.service_process import TOKEN, Nursery, ServiceProcess
from tests.support.study_lab import Lab
from tuner import protocol
from tuner.coordinator.loop import CALL_AGAIN_S, Coordinator
from tuner.protocol import WAKE_UP_TASK, queue_name
from tuner.queue.redis_process import RedisServer
from tuner.queue.wakeup import WakeUps
from tuner.release import release
from tuner.service.service import Service
from tuner.service.workers.worker_service import WorkerService
from tuner.settings import load_settings
from tuner.storage import open_storage
from workers.agent.worker import IDLE_CLAIM_S

WORKERS = 2
SOON_S = 20.0
SPEC = {
    "project": "p",
    "study": "s",
    "objective": "code:train",
    "metric": {"name": "loss", "goal": "minimize"},
    "search_space": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
    "budget": {"trials": 1},
}
assert SOON_S < IDLE_CLAIM_S


class Fleet:
    """A server and idle real workers around a Redis that may be harmed."""

    def __init__(self, nursery: Nursery, server: RedisServer, folder: Path) -> None:
        self.redis = server
        home = folder / "home"
        self.service = ServiceProcess(nursery, home, f"sqlite:///{home / 'tuner.db'}", server.url)
        self.service.start()
        peer: Any = type("Address", (), {"url": self.service.url, "token": TOKEN})
        self.workers = [
            Started(
                ["run", f"--name=w{number}", "--preimport=none"],
                folder / f"w{number}",
                peer,
                TUNER_LOG_ROOT=str(self.service.log_root),
            )
            for number in range(WORKERS)
        ]
        for worker in self.workers:
            worker.wait_log("worker ready")
        self.wait_listening()

    @property
    def queue(self) -> Queue:
        connection = redis.Redis.from_url(self.redis.url)
        return Queue(queue_name("cpu"), connection=connection, serializer=JSONSerializer)

    def wait_listening(self) -> None:
        """Wait until the workers wait for messages in Redis."""
        connection = redis.Redis.from_url(self.redis.url)
        deadline = clock() + 30
        while Worker.count(connection=connection) < WORKERS:
            assert clock() < deadline, "the workers do not listen"
            time.sleep(0.05)

    def tune(self, *, trials: int = 4) -> Lab:
        """Have the workers run a study; fail if it is not done soon."""
        lab = Lab(self.service)
        lab.submit(image=None, objective="workers_trials:noop", budget={"trials": trials})
        lab.wait(lambda: lab.status()["state"] == "finished", "the study is done", SOON_S)
        return lab

    def wait_idle(self) -> None:
        """Wait until every worker has nothing to do."""
        deadline = clock() + 30
        while [w["state"] for w in self.service.get("/workers")] != ["idle"] * WORKERS:
            assert clock() < deadline, self.service.get("/workers")
            time.sleep(0.05)

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self.service.close()


@pytest.fixture
def fleet(nursery: Nursery, private_redis: RedisServer, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(nursery, private_redis, tmp_path)
    yield fleet
    fleet.close()


def ran_once(lab: Lab) -> bool:
    """Whether every trial was executed exactly once, with the right result."""
    trials = lab.trials()
    right = all(trial["objective"] == trial["params"]["x"] for trial in trials)
    return right and [trial["attempts"] for trial in trials] == [1] * len(trials)


def test_messages_that_are_doubled_lost_or_forged_change_nothing(fleet: Fleet) -> None:
    assert ran_once(fleet.tune())
    fleet.wait_idle()
    # Stale ones: there is nothing to do.
    for _ in range(30):
        fleet.queue.enqueue_call(WAKE_UP_TASK, timeout=-1, result_ttl=0)
    fleet.queue.enqueue_call("os.getcwd")
    assert ran_once(fleet.tune(trials=6))
    fleet.wait_idle()
    redis.Redis.from_url(fleet.redis.url).flushall()

    assert ran_once(fleet.tune()), "idle workers are woken although Redis has forgotten them"
    assert [trial["state"] for trial in fleet.service.get("/workers")] == ["idle"] * WORKERS


def test_a_redis_that_dies_and_comes_back_costs_nothing(fleet: Fleet) -> None:
    pid = fleet.redis.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert ran_once(fleet.tune()), "workers ask the server while there is no Redis"
    fleet.redis.start()
    for worker in fleet.workers:
        worker.wait_log("redis is back")
    fleet.wait_listening()
    fleet.wait_idle()

    assert ran_once(fleet.tune())
    assert "redis is back" in fleet.service.log.read_text()


def test_workers_outlive_a_server_that_is_killed_and_started_again(fleet: Fleet) -> None:
    lab = Lab(fleet.service)
    lab.submit(image=None, objective="workers_trials:noop", budget={"trials": 12})
    for done in (2, 6):
        while lab.status()["counts"]["complete"] < done:
            time.sleep(0.02)
        fleet.service.kill_and_start()
    lab.wait(lambda: lab.status()["state"] == "finished", "the study is done", 60)

    assert ran_once(lab)
    assert lab.status()["counts"]["complete"] == 12
    assert [trial.values for trial in lab.optuna_trials()] == [
        [trial["objective"]] for trial in lab.trials()
    ]


def test_for_an_attempt_that_nobody_claims_a_worker_is_woken_once_a_second(
    private_redis: RedisServer, tmp_path: Path
) -> None:
    settings = load_settings({"TUNER_HOME": str(tmp_path)})
    storage = open_storage(settings.database_url, create=True)
    wakeups = WakeUps(private_redis.url)
    coordinator = Coordinator(storage, wakeups)
    info = protocol.WorkerInfo(name="w", host="here", pid=os.getpid(), release=release())
    claim = protocol.Claim(token=secrets.token_hex(16), worker=info)
    assert WorkerService(storage, coordinator).claim(claim) is None
    Service(storage, settings, on_change=coordinator.wake).submit(SPEC)
    queue = Queue(
        queue_name("cpu"),
        connection=redis.Redis.from_url(private_redis.url),
        serializer=JSONSerializer,
    )

    def woken_at() -> float:
        """Turn the loop until there is a wake-up; return when, and lose it."""
        began = clock()
        while queue.count == 0:
            assert clock() < began + 10, "nobody was woken"
            coordinator.look_around()
        at = time.monotonic()
        queue.empty()
        return at

    first = woken_at()
    assert woken_at() - first > CALL_AGAIN_S / 2
    coordinator.close()
    wakeups.close()
    storage.close()
