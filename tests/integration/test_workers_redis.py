"""A real worker process on a real Redis: wake-ups, forged messages, outages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq import Worker as RqWorker
from rq.serializers import JSONSerializer

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Started
from tests.support.patience import clock, hold, wait_until
from tuner.protocol import WAKE_UP_TASK, queue_name
from tuner.queue.redis_server import RedisServer

Start = Callable[[str], Started]


@pytest.fixture
def start(peer: Peer, tmp_path: Path) -> Iterator[Start]:
    started: list[Started] = []

    def start(redis_url: str) -> Started:
        peer.config["redis_url"] = redis_url
        worker = Started(["run", "--name=w1", "--preimport=none"], tmp_path / "home", peer)
        started.append(worker)
        worker.wait_log("worker ready")
        return worker

    yield start
    for process in started:
        process.close()


def open_queue(url: str) -> Queue:
    return Queue(queue_name("cpu"), connection=redis.Redis.from_url(url), serializer=JSONSerializer)


def wait_listening(url: str) -> None:
    connection = redis.Redis.from_url(url)
    wait_until(lambda: RqWorker.count(connection=connection) == 1, "no RQ worker", seconds=20)


def test_a_wake_up_has_the_worker_claim_at_once(peer: Peer, start: Start, redis_url: str) -> None:
    start(redis_url)
    wait_listening(redis_url)
    queue = open_queue(redis_url)
    hold(lambda: not peer.claims, "a claim that found nothing is answered so", seconds=1)
    for number in range(3):
        peer.offer("workers_trials:noop", attempt=f"s1-t{number}-a1")
    sent = clock()
    job = queue.enqueue(WAKE_UP_TASK, job_id="wake-1", result_ttl=30)
    for number in range(3):
        peer.wait_finish(f"s1-t{number}-a1")

    assert clock() - sent < 3
    wait_until(
        lambda: job.get_status(refresh=True) == "finished", "wake-up not finished", seconds=5
    )
    assert queue.count == 0
    assert queue.connection.llen(f"{queue.key}:intermediate") == 0


def test_without_redis_the_worker_asks_the_server_and_returns_when_it_is_back(
    peer: Peer, start: Start, private_redis: RedisServer
) -> None:
    worker = start(private_redis.url)
    wait_listening(private_redis.url)
    private_redis.stop()
    worker.wait_log("redis not reached, asking the server instead")
    peer.offer("workers_trials:noop")
    assert peer.wait_finish("s1-t0-a1", 10)["outcome"] == "complete"

    private_redis.start()
    worker.wait_log("redis is back")
    wait_listening(private_redis.url)
    peer.offer("workers_trials:noop", attempt="s1-t1-a1")
    open_queue(private_redis.url).enqueue(WAKE_UP_TASK)

    assert peer.wait_finish("s1-t1-a1", 10)["outcome"] == "complete"
    downs = [line for line in worker.logs() if line["message"].startswith("redis not reached")]
    assert len(downs) == 1, "said once"


def test_a_worker_follows_the_server_to_another_redis(
    peer: Peer, start: Start, private_redis: RedisServer, redis_url: str
) -> None:
    worker = start(private_redis.url)
    wait_listening(private_redis.url)
    peer.config["redis_url"] = redis_url
    private_redis.stop()

    worker.wait_log("redis is back")
    wait_listening(redis_url)
    peer.offer("workers_trials:noop")
    open_queue(redis_url).enqueue(WAKE_UP_TASK)
    assert peer.wait_finish("s1-t0-a1", 10)["outcome"] == "complete"


def test_an_emptied_redis_is_listened_to_again(peer: Peer, start: Start, redis_url: str) -> None:
    start(redis_url)
    wait_listening(redis_url)
    redis.Redis.from_url(redis_url).flushall()
    wait_listening(redis_url)
    peer.offer("workers_trials:noop")
    open_queue(redis_url).enqueue(WAKE_UP_TASK)

    assert peer.wait_finish("s1-t0-a1", 10)["outcome"] == "complete"


def test_a_worker_that_leaves_is_taken_off_the_list(
    peer: Peer, start: Start, redis_url: str
) -> None:
    worker = start(redis_url)
    wait_listening(redis_url)
    asked = clock()
    worker.terminate()

    assert worker.wait(5) == 0
    assert clock() - asked < 1.5
    assert RqWorker.count(connection=redis.Redis.from_url(redis_url)) == 0
    assert peer.finishes == {}
