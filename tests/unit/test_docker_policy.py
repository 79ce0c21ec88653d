"""What an image may be built from and what a container may do, read from docker/."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tuner.queue.redis_access import RedisAccess

DOCKER = Path(__file__).parents[2] / "docker"
DOCKERFILES = sorted(DOCKER.glob("*Dockerfile*"))
#: A name, a tag that says what it is, and the digest that decides.
PINNED = re.compile(r"[a-z0-9./:_-]+:[\w.-]+@sha256:[0-9a-f]{64}")

Service = dict[str, Any]


def load_compose() -> dict[str, Any]:
    return YAML(typ="safe").load(DOCKER / "compose.yaml")


SERVICES: dict[str, Service] = load_compose()["services"]


def problems_of_base(dockerfile: str) -> list[str]:
    """Return what is wrong with the images that a Dockerfile starts from."""
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", dockerfile, re.MULTILINE))
    problems = []
    for image in re.findall(r"^FROM (?:--\S+ )*(\S+)", dockerfile, re.MULTILINE):
        name = re.fullmatch(r"\$\{(\w+)\}", image)
        # An ARG without default makes the one who builds name an image.
        if name and name[1] not in arguments and f"ARG {name[1]}\n" in dockerfile:
            continue
        base = arguments.get(name[1], image) if name else image
        if not PINNED.fullmatch(base):
            problems.append(f"{base}: no digest")
    return problems


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_every_base_image_is_pinned_by_digest(path: Path) -> None:
    assert problems_of_base(path.read_text()) == []


@pytest.mark.parametrize(
    ("dockerfile", "is_refused"),
    [
        ("FROM python:3.12-slim\n", True),
        ("FROM python:latest AS build\n", True),
        ("FROM --platform=linux/amd64 python:3.12\n", True),
        ("ARG BASE=python:3.12\nFROM ${BASE}\n", True),
        (f"FROM python@sha256:{'0' * 64}\n", True),
        ("ARG BASE\nFROM ${BASE}\n", False),
        (f"FROM python:3.12@sha256:{'0' * 64} AS build\n", False),
    ],
)
def test_the_policy_itself_tells_pinned_from_unpinned(dockerfile: str, is_refused: bool) -> None:
    assert bool(problems_of_base(dockerfile)) == is_refused


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_built_here_or_pinned_by_digest(name: str) -> None:
    service = SERVICES[name]

    if "build" in service:
        assert (DOCKER.parent / service["build"]["dockerfile"]).is_file()
    else:
        assert PINNED.fullmatch(service["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service
    assert "pids_limit" in service
    assert not service.get("privileged")


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_runs_as_root(name: str) -> None:
    service = SERVICES[name]
    if "build" in service:
        lines = (DOCKER.parent / service["build"]["dockerfile"]).read_text().splitlines()
        user = [line.split()[1] for line in lines if line.startswith("USER ")][-1]
    else:
        user = service["user"]

    assert not user.startswith(("0", "root"))


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_the_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_secrets_are_files_and_each_container_gets_only_its_own() -> None:
    secrets = load_compose()["secrets"]

    assert all(set(secret) == {"file"} for secret in secrets.values())
    assert SERVICES["worker"]["secrets"] == ["worker_token"], "a trial reads what its worker reads"
    assert "secrets" not in SERVICES["tensorboard"]
    for service in SERVICES.values():
        environment = service.get("environment", {})
        secret = [k for k in environment if re.search(r"PASSWORD|TOKEN|DATABASE_URL|REDIS_URL", k)]
        assert all(key.endswith("_FILE") for key in secret), secret


def test_the_secrets_are_made_once_and_a_later_run_adds_what_is_missing(tmp_path: Path) -> None:
    script = shutil.copy(DOCKER / "secrets.sh", tmp_path)
    needed = {Path(secret["file"]).name for secret in load_compose()["secrets"].values()}

    def run() -> dict[str, str]:
        subprocess.run(["sh", script], check=True, capture_output=True)
        return {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

    made = run()
    assert set(made) == needed
    assert run() == made
    assert made["worker_token"] != made["token"]
    # As a release made them that knew neither.
    for name in ("worker_token", "worker_redis_url"):
        (tmp_path / "secrets" / name).unlink()
    added = run()
    assert set(added) == needed
    assert added["worker_redis_url"] == made["redis_url"], "its Redis knows no other user"
    assert added["token"] == made["token"]


def test_the_redis_of_the_containers_has_the_users_of_a_private_one(tmp_path: Path) -> None:
    script = shutil.copy(DOCKER / "secrets.sh", tmp_path)
    subprocess.run(["sh", script], check=True, capture_output=True)
    made = (tmp_path / "secrets" / "redis.conf").read_text().splitlines()
    rules = RedisAccess(server="1", worker="2").rules((7, 0))

    for name in ("server", "worker"):
        (ours,) = [line.partition("~")[2] for line in made if line.startswith(f"user {name} ")]
        (private,) = [line.partition("~")[2] for line in rules if line.startswith(f"user {name} ")]
        assert ours == private
    assert "user default off" in made


def test_the_database_is_reached_by_the_server_alone() -> None:
    networks = load_compose()["networks"]
    members = {name for name, service in SERVICES.items() if "database" in service["networks"]}

    assert networks["database"]["internal"] is True
    assert members == {"postgres", "server"}


def test_every_variable_of_the_compose_file_is_explained() -> None:
    used = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
    explained = set(re.findall(r"^(\w+)=", (DOCKER / ".env.example").read_text(), re.MULTILINE))

    assert used == explained


def test_others_start_when_the_server_is_ready_and_not_earlier() -> None:
    assert "/readyz'" in SERVICES["server"]["healthcheck"]["test"][-1]
    for name in ("worker", "tensorboard"):
        assert SERVICES[name]["depends_on"]["server"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", ["server", "worker"])
def test_containers_log_for_collectors(name: str) -> None:
    assert SERVICES[name]["environment"]["TUNER_LOG_FORMAT"] == "${TUNER_LOG_FORMAT:-json}"
