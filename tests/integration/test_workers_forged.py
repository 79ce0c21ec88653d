"""Whoever can write to Redis can enqueue anything: a real worker runs none of it, and works on."""

from __future__ import annotations

import json
import pickle
import socket
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from rq import Callback, Queue
from rq.command import send_shutdown_command
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.webhook import Webhook

from tests.integration.workers_canary import Bird, sing
from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Started
from tests.support.patience import hold, wait_until
from tuner.protocol import WAKE_UP_TASK, queue_name
from tuner.queue.redis_server import RedisServer

#: Puts one message into the queue and returns its id.
Forge = Callable[[Queue], str]


class Prey:
    """A worker at work, with the files that nothing in Redis may make it write."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.peer = Peer(redis_url)
        self.canaries = [folder / name for name in ("sung", "imported", "shell")]
        self.worker = Started(
            ["run", "--name=w1", "--preimport=none"],
            folder / "home",
            self.peer,
            CANARY=str(self.canaries[0]),
            CANARY_MODULE=str(self.canaries[1]),
        )
        self.queue = Queue(
            queue_name("cpu"),
            connection=redis.Redis.from_url(redis_url),
            serializer=JSONSerializer,
        )
        self.worker.wait_log("worker ready")
        self._trials = 0

    def works(self) -> None:
        """Wake the worker and have it run a trial."""
        attempt = self.peer.offer("workers_trials:noop", attempt=f"s1-t{self._trials}-a1")
        self._trials += 1
        self.queue.enqueue(WAKE_UP_TASK)
        assert self.peer.wait_finish(attempt)["outcome"] == "complete"

    def refused(self) -> set[str]:
        """Return the messages that it says it has refused."""
        said = ("wake-up refused", "message refused")
        return {line["job"] for line in self.worker.logs() if line["message"] in said}

    def close(self) -> None:
        self.worker.close()
        self.peer.close()


@pytest.fixture(scope="module")
def prey(tmp_path_factory: pytest.TempPathFactory, shared_redis: RedisServer) -> Iterator[Prey]:
    prey = Prey(tmp_path_factory.mktemp("prey"), shared_redis.url)
    yield prey
    prey.close()


def by_name(queue: Queue) -> str:
    return queue.enqueue("os.system", "touch shell").id


def by_import(queue: Queue) -> str:
    return queue.enqueue("workers_canary.sing", "a").id


def our_other_function(queue: Queue) -> str:
    return queue.enqueue("workers.wake.Listener").id


def arguments(queue: Queue) -> str:
    return queue.enqueue(WAKE_UP_TASK, args=("touch shell",)).id


def options(queue: Queue) -> str:
    return queue.enqueue(WAKE_UP_TASK, kwargs={"shell": "touch shell"}).id


def pickled(queue: Queue) -> str:
    """As RQ itself would write it by default."""
    return Queue(queue.name, connection=queue.connection).enqueue(sing).id


def pickled_object(queue: Queue) -> str:
    return forge(queue, data=pickle.dumps(Bird()))


def pickled_notes(queue: Queue) -> str:
    job = Job.create(WAKE_UP_TASK, connection=queue.connection, serializer=JSONSerializer)
    return forge(queue, data=job.data, meta=pickle.dumps(Bird()))


def method_of_an_object(queue: Queue) -> str:
    data = json.dumps(["sing", "workers_canary.Bird", [], {}]).encode()
    return forge(queue, data=data)


def on_success(queue: Queue) -> str:
    return queue.enqueue(WAKE_UP_TASK, on_success=Callback("workers_canary.sing")).id


def on_failure(queue: Queue) -> str:
    callback = Callback("workers_canary.sing")
    return queue.enqueue("os.system", "touch shell", on_failure=callback).id


def on_stopped(queue: Queue) -> str:
    return queue.enqueue(WAKE_UP_TASK, on_stopped=Callback("workers_canary.sing")).id


def garbage(queue: Queue) -> str:
    return forge(queue, data=b"\xff", status=b"nonsense")


FORGED = (
    *(by_name, by_import, our_other_function, arguments, options),
    *(pickled, pickled_object, method_of_an_object),
    *(on_success, on_failure, on_stopped, garbage),
)


def forge(queue: Queue, **fields: bytes) -> str:
    """Write a message as no client of RQ would."""
    job = Job.create(WAKE_UP_TASK, connection=queue.connection, serializer=JSONSerializer)
    job.origin = queue.name
    job.save()
    queue.connection.hset(job.key, mapping={**fields})
    queue.connection.rpush(queue.key, job.id)
    return job.id


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: forged.__name__)
def test_a_forged_message_is_refused_and_logged_and_the_worker_works_on(
    prey: Prey, redis_url: str, forged: Forge
) -> None:
    job_id = forged(prey.queue)
    prey.works()

    wait_until(lambda: job_id in prey.refused(), "not refused", seconds=10)
    wait_until(lambda: prey.queue.count == 0, "messages left", seconds=10)
    assert [path for path in prey.canaries if path.exists()] == []
    assert not (Path.cwd() / "shell").exists()
    assert prey.queue.connection.llen(f"{prey.queue.key}:intermediate") == 0


def test_pickled_notes_of_a_wake_up_are_never_read(prey: Prey, redis_url: str) -> None:
    job_id = pickled_notes(prey.queue)
    prey.works()

    wait_until(lambda: prey.queue.count == 0, "messages left", seconds=10)
    assert [path for path in prey.canaries if path.exists()] == []
    assert job_id not in prey.refused(), "as a wake-up it is a good one"


def test_no_address_in_a_message_is_called(prey: Prey, redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1.0)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        hooks = [Webhook(url, job_status=status) for status in ("finished", "failed")]
        job = prey.queue.enqueue(WAKE_UP_TASK, webhooks=hooks)
        prey.works()
        with pytest.raises(TimeoutError):
            server.accept()

    assert job.id in prey.refused()


def test_commands_over_redis_do_not_reach_the_worker(prey: Prey, redis_url: str) -> None:
    prey.works()
    # Redis was emptied, so it is on the list again when it next waits.
    keys = prey.queue.connection.keys
    wait_until(lambda: keys("rq:worker:*"), "not on the list", seconds=10)
    names = [key.decode().rpartition(":")[2] for key in keys("rq:worker:*")]
    for name in names:
        send_shutdown_command(prey.queue.connection, name)
    assert len(names) == 1
    hold(lambda: prey.worker.process.poll() is None, "it goes on", seconds=0.5)
    prey.works()
    assert prey.worker.process.poll() is None


def test_the_canary_would_be_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", str(tmp_path / "sung"))
    pickle.loads(pickle.dumps(Bird()))  # noqa: S301 - that it runs code is the point

    assert (tmp_path / "sung").exists()


def with_retries(queue: Queue) -> str:
    data = zlib.compress(json.dumps(["os.system", None, ["touch shell"], {}]).encode())
    return forge(queue, data=data, retries_left=b"1000000", number_of_retries=b"1000000")


def packed_bomb(queue: Queue) -> str:
    return forge(queue, data=zlib.compress(bytes(3_000_000)))


def large_bomb(queue: Queue) -> str:
    return forge(queue, data=zlib.compress(bytes(300_000_000)))


def bomb_beside(queue: Queue) -> str:
    """One that a client of RQ unpacks with the rest of the message."""
    bomb = zlib.compress(bytes(300_000_000))
    return forge(queue, data=b"no wake-up", exc_info=bomb)


@pytest.mark.parametrize("forged", [with_retries, packed_bomb, large_bomb, bomb_beside])
def test_a_forged_message_costs_a_line_of_the_log_and_no_memory(
    prey: Prey, redis_url: str, forged: Forge
) -> None:
    prey.works()
    before = peak_bytes(prey.worker.pid)
    lines = len(prey.worker.logs())
    job_id = forged(prey.queue)
    prey.works()

    wait_until(lambda: prey.queue.count == 0, "messages left", seconds=10)
    said = [line for line in prey.worker.logs()[lines:] if line.get("job") == job_id]
    assert [line["message"] for line in said] == ["message refused"]
    assert not prey.queue.connection.exists(Job.key_for(job_id))
    assert [path for path in prey.canaries if path.exists()] == []
    assert peak_bytes(prey.worker.pid) - before < 20_000_000


def test_a_flood_of_dead_ids_silences_nobody(prey: Prey, redis_url: str) -> None:
    connection = prey.queue.connection
    for start in range(0, 300_000, 10_000):
        ids = [f"dead-{number}" for number in range(start, start + 10_000)]
        connection.rpush(prey.queue.key, *ids)
    attempt = prey.peer.offer("workers_trials:noop", attempt="s9-t0-a1")
    beats = len(prey.peer.beats)

    assert prey.peer.wait_finish(attempt, 15)["outcome"] == "complete", "claims go on beside"
    wait_until(lambda: len(prey.peer.beats) >= beats + 3, "beats go on beside", seconds=10)
    wait_until(lambda: prey.queue.count == 0, "dead ids are left", seconds=60)
    prey.works()


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
