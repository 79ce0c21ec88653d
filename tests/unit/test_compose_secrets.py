"""docker/secrets.sh: what it makes, what it leaves alone, and what it refuses."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tuner.queue.redis_access import RedisAccess
from tuner.security.trust import Trust

DOCKER = Path(__file__).parents[2] / "docker"
TOOLS = "cat chmod cut dirname grep mkdir mktemp mv od rm sed sh sha256sum tail tr uname openssl"


def needed() -> set[str]:
    """Return the files without which Compose starts nothing."""
    compose = YAML(typ="safe").load(DOCKER / "compose.yaml")
    (marker,) = compose["services"]["check"]["env_file"]
    return {
        Path(marker).name,
        *(Path(secret["file"]).name for secret in compose["secrets"].values()),
    }


class Host:
    """A folder with the script, and a PATH with what the script uses and no Docker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        self.programs = folder / "bin"
        self.programs.mkdir()
        shutil.copy(DOCKER / "secrets.sh", folder)
        for tool in TOOLS.split():
            found = shutil.which(tool)
            assert found is not None, tool
            (self.programs / tool).symlink_to(found)

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "secrets.sh", *arguments],
            cwd=self.folder,
            env={"PATH": str(self.programs)},
            capture_output=True,
            text=True,
            check=False,
        )

    def made(self, *arguments: str) -> dict[str, str]:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return self.contents()

    def contents(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.secrets.iterdir()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secrets of one run; to be copied, not changed."""
    host = Host(tmp_path_factory.mktemp("first"))
    host.made("tuner.example", "10.0.0.5")
    return host.secrets


@pytest.fixture
def made_host(host: Host, first_run: Path) -> Host:
    """A host on which the script has run."""
    shutil.copytree(first_run, host.secrets)
    return host


def test_the_secrets_are_made_once(host: Host) -> None:
    made = host.made("tuner.example")

    assert set(made) == needed() | {"board_password"}
    assert host.made() == made
    assert "nothing was changed" in host.run().stdout
    assert made["worker_token"] != made["token"]
    assert re.fullmatch(r"tuner_[0-9a-f]{64}", made["token"])
    assert [path.name for path in host.folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", sorted(needed() - {"tls.crt", "tls.key"}))
def test_what_a_newer_release_needs_is_added_and_nothing_else_changes(
    name: str, made_host: Host
) -> None:
    host, made = made_host, made_host.contents()
    (host.secrets / name).unlink()
    added = host.made()

    assert set(added) == set(made)
    assert {key: added[key] for key in added if key != name} == {
        key: made[key] for key in made if key != name
    }


def test_the_secrets_of_the_first_release_get_what_it_did_not_know(made_host: Host) -> None:
    host, made = made_host, made_host.contents()
    for name in needed() - {
        "database_url",
        "postgres_password",
        "redis.conf",
        "redis_url",
        "token",
    }:
        (host.secrets / name).unlink()
    added = host.made()

    assert set(added) >= needed()
    assert added["worker_redis_url"] == made["redis_url"], "its Redis knows no other user"
    assert added["token"] == made["token"]


def test_what_belongs_together_is_made_together(made_host: Host) -> None:
    made = made_host.contents()

    assert made["postgres_password"] in made["database_url"]
    for user, file in (("server", "redis_url"), ("worker", "worker_redis_url")):
        password = re.findall(rf"redis://{user}:(\w+)@redis:6379/0", made[file])[0]
        digest = hashlib.sha256(password.encode()).hexdigest()
        assert f"user {user} on #{digest} ~rq:*" in made["redis.conf"]
        assert password not in made["redis.conf"]
    user, crypted = made["board_users"].strip().split(":")
    salt = crypted.split("$")[2]
    again = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, "-stdin"],
        input=made["board_password"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (user, crypted) == ("tuner", again.stdout.strip())


def test_only_its_owner_can_open_the_folder_and_every_container_its_files(
    first_run: Path,
) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(first_run) == 0o700
    closed = first_run / "board_password"
    assert mode(closed) == 0o400, "it is shown to no container"
    for path in first_run.iterdir():
        assert path == closed or mode(path) & 0o444 == 0o444, path
        assert mode(path) & 0o022 == 0, path


def test_the_redis_of_the_containers_has_the_users_of_a_private_one(first_run: Path) -> None:
    made = (first_run / "redis.conf").read_text().splitlines()
    rules = RedisAccess(server="1", worker="2").rules((7, 0))

    for name in ("server", "worker"):
        (ours,) = [line.partition("~")[2] for line in made if line.startswith(f"user {name} ")]
        (private,) = [line.partition("~")[2] for line in rules if line.startswith(f"user {name} ")]
        assert ours == private
    assert {"user default off", "appendonly yes", "maxmemory-policy noeviction"} <= set(made)


def shake_hands(folder: Path, name: str) -> None:
    """Have one of our clients meet a server with the folder's certificate, in memory."""
    context = Trust(ca_file=folder / "tls.crt").context()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=name)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
        if not waiting:
            return
    raise AssertionError("the two do not come to an end")


def test_our_clients_believe_the_certificate_for_its_names_and_for_no_other(
    first_run: Path,
) -> None:
    for name in ("localhost", "127.0.0.1", "tuner.example", "10.0.0.5", os.uname().nodename):
        shake_hands(first_run, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(first_run, "other.example")


def test_a_certificate_of_ones_own_stays_and_its_half_is_refused(host: Host) -> None:
    host.secrets.mkdir()
    (host.secrets / "tls.crt").write_text("mine")

    done = host.run()
    assert done.returncode == 2
    assert "tls.crt and secrets/tls.key belong together, and one is missing" in done.stderr
    assert [path.name for path in host.secrets.iterdir()] == ["tls.crt"]

    (host.secrets / "tls.key").write_text("mine too")
    assert host.made()["tls.crt"] == "mine"
    assert "stays as it is" in host.run("tuner.example").stdout


@pytest.mark.parametrize("name", ["a b", "a/b", "a,IP:1.2.3.4", "$(id)", "*"])
def test_a_name_that_is_none_is_refused_and_nothing_is_made(name: str, host: Host) -> None:
    done = host.run(name)

    assert done.returncode == 2
    assert f"{name}: is neither a host name nor an address" in done.stderr
    assert not host.secrets.exists()


def test_one_more_person_gets_a_password_that_holds_beside_the_first(made_host: Host) -> None:
    host, before = made_host, made_host.contents()["board_users"]
    inode = (host.secrets / "board_users").stat().st_ino
    done = host.run("--user", "ada")

    users = (host.secrets / "board_users").read_text()
    assert done.returncode == 0
    assert re.search(r"password of ada at TensorBoard, which holds at once: \w{32}", done.stdout)
    assert users.startswith(before)
    assert re.search(r"^ada:\$6\$", users, re.MULTILINE)
    assert (host.secrets / "board_users").stat().st_ino == inode, "the proxy reads this very file"
    assert "ada is in secrets/board_users already" in host.run("--user", "ada").stderr


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a\nb:c", "../x"])
def test_a_user_that_a_password_file_cannot_hold_is_refused(name: str, made_host: Host) -> None:
    host, before = made_host, made_host.contents()["board_users"]
    done = host.run("--user", name)

    assert done.returncode == 2
    assert "letters, digits and" in done.stderr
    assert (host.secrets / "board_users").read_text() == before


@pytest.mark.parametrize("version", ["1.29.2", "2.25.9", "v2.3.3"])
def test_a_compose_that_is_too_old_is_named_and_nothing_is_made(version: str, host: Host) -> None:
    host.program("docker", f'[ "$*" = "compose version --short" ] && echo {version}')
    done = host.run()

    assert done.returncode == 2
    said = f"this host has Docker Compose {version.removeprefix('v')}; "
    assert f"{said}compose.yaml needs 2.26 or later" in done.stderr
    assert not host.secrets.exists()


@pytest.mark.parametrize("version", ["2.26.0", "2.26.1-4", "v2.40.3", "5.0.1"])
def test_a_compose_that_is_new_enough_is_taken(version: str, made_host: Host) -> None:
    made_host.program("docker", f'[ "$*" = "compose version --short" ] && echo {version}')

    assert made_host.run().returncode == 0


def test_a_host_with_the_old_docker_compose_alone_is_told_which_package_it_needs(
    host: Host,
) -> None:
    host.program("docker", "exit 1")
    host.program("docker-compose", "exit 0")
    done = host.run()

    assert done.returncode == 2
    assert "install Docker's package docker-compose-plugin" in done.stderr
    assert not host.secrets.exists()


def test_without_openssl_nothing_is_made(host: Host) -> None:
    (host.programs / "openssl").unlink()
    done = host.run()

    assert done.returncode == 2
    assert "openssl is missing" in done.stderr
    assert not host.secrets.exists()
