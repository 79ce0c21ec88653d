"""The Compose deployment for real: started, used, broken, searched for its secrets, ended."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.containers import container
from tests.docker.deployment import (
    Deployment,
    basic,
    deployment,
    free_port,
    standin_image,
    wait_for,
)
from tests.docker.engine import Engine
from tests.docker.images import Images

#: A module of the worker's, in the image.
OBJECTIVES = "/app/lib/python3*/site-packages/workers/objective/finding.py"
#: Volumes by the folder in which they are searched.
VOLUMES = ("logs", "checkpoints", "home", "redis", "postgres")


@pytest.fixture(scope="module")
def standin(engine: Engine) -> str:
    return standin_image(engine)


@pytest.fixture(scope="module")
def host(
    engine: Engine,
    built_images: Images,
    standin: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """A deployment with three workers that the tests of this file use one after the other."""
    with deployment(engine, built_images, standin, tmp_path_factory.mktemp("host") / "d") as host:
        host.compose("up", "--detach", "--scale", "worker=3")
        wait_for(lambda: is_healthy(host), "every container to be healthy")
        yield host


@pytest.fixture
def fresh(
    engine: Engine, built_images: Images, standin: str, tmp_path: Path
) -> Iterator[Deployment]:
    """A deployment that nobody has started."""
    with deployment(engine, built_images, standin, tmp_path / "fresh") as fresh:
        yield fresh


def is_healthy(host: Deployment) -> bool:
    running = [one for one in host.containers() if one["State"]["Status"] != "exited"]
    return all(one["State"]["Health"]["Status"] == "healthy" for one in running)


def service_of(container: dict[str, dict[str, dict[str, str]]]) -> str:
    return container["Config"]["Labels"]["com.docker.compose.service"]


def test_everything_runs_without_root_capabilities_or_a_writable_root(host: Deployment) -> None:
    found = {service_of(one): one for one in host.containers()}

    assert found.keys() == {
        *("check", "redis", "postgres", "server", "worker", "tensorboard", "proxy"),
    }
    assert found["check"]["State"]["ExitCode"] == 0
    for service, one in found.items():
        assert one["HostConfig"]["ReadonlyRootfs"] is True, service
        assert one["HostConfig"]["CapDrop"] == ["ALL"], service
        assert one["HostConfig"]["Memory"] > 0, service
        volumes = [mount["Name"] for mount in one["Mounts"] if mount["Type"] == "volume"]
        assert all(name.startswith(host.project) for name in volumes), "it would stay behind"
        if service == "check":
            continue
        status = host.engine.docker("exec", one["Id"], "cat", "/proc/self/status")
        assert not re.search(r"^Uid:\s+0\s", status, re.MULTILINE), service
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE), service
        assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE), service
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE), service


def test_a_study_of_twelve_trials_ends_on_three_workers_that_call_through_the_proxy(
    host: Deployment,
) -> None:
    image = host.setting("TUNER_IMAGE")
    study = host.submit("twelve", trials=12, seconds=0.6, more=f"image: {image}")

    assert host.wait_finished(study)["counts"]["complete"] == 12
    shown = [host.read(f"studies/{study}/trials/{number}") for number in range(12)]
    hosts = {one["attempt_list"][0]["host"] for one in shown}
    assert hosts == {one["Config"]["Hostname"] for one in host.containers("worker")}
    assert len(hosts) == 3
    workers = host.read("workers")
    assert {(one["image"], one["image_verified"]) for one in workers} == {(image, "files")}


def test_the_api_has_tls_for_others_and_none_on_the_loopback(host: Deployment) -> None:
    bearer = {"Authorization": f"Bearer {host.secret('token')}"}

    assert host.get("TUNER_TLS_PORT", "/v1/studies", bearer).status == 200
    assert host.get("TUNER_PORT", "/v1/studies", bearer, scheme="http").status == 200
    assert host.get("TUNER_TLS_PORT", "/v1/studies").status == 401
    assert host.get("TUNER_TLS_PORT", "/v1/studies", scheme="http").status == 400
    assert "demo/twelve" in host.tuner("list", with_tls=False)


def test_tensorboard_shows_all_studies_to_whoever_has_the_password(host: Deployment) -> None:
    page = ("TUNER_BOARD_PORT", "/data/runs")
    password = host.secret("board_password")
    one, other = (host.submit(name, trials=1, seconds=0.1) for name in ("one", "other"))
    for study in (one, other):
        host.wait_finished(study)

    assert host.get(*page).status == 401
    assert host.get(*page, basic("tuner", "wrong")).status == 401
    assert host.get(*page, {"Authorization": f"Bearer {host.secret('token')}"}).status == 401
    assert host.get(*page, scheme="http").status == 400
    wait_for(
        lambda: all(
            study in host.get(*page, basic("tuner", password)).body
            for study in (one, other, "demo/twelve")
        ),
        "TensorBoard to list the runs of all studies",
    )


def test_one_more_person_logs_in_without_a_restart(host: Deployment) -> None:
    done = subprocess.run(
        ["sh", "secrets.sh", "--user", "ada"],
        cwd=host.folder,
        env=host.engine.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    password = done.stdout.split()[-1]

    assert host.get("TUNER_BOARD_PORT", "/", basic("ada", password)).status == 200
    assert host.get("TUNER_BOARD_PORT", "/", basic("ada", "x")).status == 401


def test_an_altered_image_that_says_it_is_the_pinned_one_gets_nothing_and_is_named(
    host: Deployment,
) -> None:
    image = host.setting("TUNER_IMAGE")
    change = f"for file in {OBJECTIVES}; do echo '# altered' >> $file; done"
    altered = f"FROM {image}\nUSER root\nRUN {change}\nUSER 10001:10001\n"
    impostor = f"{host.project}-impostor"
    host.engine.docker("build", "--tag", impostor, "-", text=altered)
    token = host.folder / "secrets" / "worker_token"
    says = ("TUNER_API_URL=http://proxy:8080", "TUNER_PLAIN_HTTP=yes", f"TUNER_IMAGE={image}")
    options = [part for one in says for part in ("--env", one)]
    options += ["--env", "TUNER_TOKEN_FILE=/token", "--volume", f"{token}:/token:ro"]
    options += ["--network", f"{host.project}_work", "--hostname", "impostor", impostor]

    with container(host.engine, *options):
        named = wait_for(
            lambda: [one for one in host.read("workers") if one["host"] == "impostor"],
            "the impostor to be named",
        )
        assert named[0]["state"] == "out of service"
        assert host.setting("TUNER_IMAGE_FILES")[:12] in named[0]["image_problem"]
        study = host.submit("pinned", trials=6, seconds=0.3, more=f"image: {image}")
        assert host.wait_finished(study)["counts"]["complete"] == 6
        shown = [host.read(f"studies/{study}/trials/{number}") for number in range(6)]
        assert "impostor" not in {one["host"] for trial in shown for one in trial["attempt_list"]}
    host.engine.docker("rmi", impostor)


def test_a_study_loses_nothing_when_worker_redis_and_leader_die_and_workers_come_and_go(
    host: Deployment,
) -> None:
    host.compose("up", "--detach", "--no-recreate", "--scale", "worker=3", "--scale", "server=2")
    wait_for(lambda: len(host.containers("server")) == 2 and is_healthy(host), "a standby")
    study = host.submit("storm", trials=16, seconds=2.0, more="trial: {retries: 5}")
    wait_for(lambda: host.complete(study) >= 2, "the first trials")

    host.engine.docker("kill", host.containers("worker")[0]["Id"])
    empty_redis(host)
    host.engine.docker("kill", leader(host))
    scale = ("--scale", "worker=4", "--scale", "server=1")
    host.compose("up", "--detach", "--no-recreate", *scale)

    assert host.wait_finished(study)["counts"] == {
        "waiting": 0, "running": 0, "complete": 16, "pruned": 0, "fail": 0,
    }  # fmt: skip
    assert sorted(one["trial"] for one in host.read(f"studies/{study}/trials")) == [*range(16)]
    host.compose("up", "--detach", "--no-recreate", "--scale", "worker=1")
    running = [one for one in host.containers("worker") if one["State"]["Running"]]
    assert len(running) == 1


def empty_redis(host: Deployment) -> None:
    """Have Redis come back as one that knows nothing."""
    host.compose("stop", "redis")
    volume = f"{host.project}_redis:/data"
    command = ("sh", "-c", "rm -rf /data/*")
    host.engine.docker("run", "--rm", "--volume", volume, host.standin, *command)
    host.compose("up", "--detach", "--no-deps", "--force-recreate", "redis")


def leader(host: Deployment) -> str:
    """Return the container of the server that coordinates."""
    for one in host.containers("server"):
        logs = host.engine.call("logs", one["Id"])
        if "coordinator leads" in logs.stdout + logs.stderr:
            return str(one["Id"])
    raise AssertionError("no server leads")


def test_no_secret_is_in_anything_that_is_left_behind(host: Deployment) -> None:
    canaries = read_canaries(host)
    left = {
        "the database": host.compose("exec", "-T", "postgres", "pg_dump", "-U", "tuner", "tuner"),
        "the settings": (host.folder / ".env").read_text(),
    }
    for one in host.containers():
        name = f"{service_of(one)} {one['Id'][:12]}"
        logs = host.engine.call("logs", one["Id"])
        left[f"the log of {name}"] = logs.stdout + logs.stderr
        left[f"docker inspect of {name}"] = host.engine.docker("inspect", one["Id"])
        if one["State"]["Running"]:
            left[f"docker top of {name}"] = host.engine.docker("top", one["Id"], "-eo", "pid,args")
    assert "demo/storm" in left["the database"], "this is no dump"

    assert [
        (where, name)
        for where, text in left.items()
        for name, one in canaries.items()
        if one in text
    ] == []
    volumes = [
        part for name in VOLUMES for part in ("--volume", f"{host.project}_{name}:/v/{name}:ro")
    ]
    search = (
        "run",
        "--rm",
        "--interactive",
        *volumes,
        host.standin,
        "grep",
        "-rlaF",
        "-f",
        "-",
        "/v",
    )
    found = host.engine.call(*search, text="".join(f"{one}\n" for one in canaries.values()))
    assert (found.stdout, found.returncode) == ("", 1), found.stderr
    planted = host.engine.call(*search, text="demo/storm\n")
    assert planted.returncode == 0, "the search finds nothing at all"


def read_canaries(host: Deployment) -> dict[str, str]:
    """Return the secret part of each file of `secrets/`, by its name."""
    found = {name: host.secret(name) for name in ("postgres_password", "token", "worker_token")}
    found["board_password"] = host.secret("board_password")
    found["tls.key"] = host.secret("tls.key").splitlines()[1]
    for name in ("redis_url", "worker_redis_url"):
        found[name] = re.findall(r"://\w+:(\w+)@", host.secret(name))[0]
    assert all(len(one) >= 32 for one in found.values())
    return found


def test_a_volume_that_another_uid_owns_is_named_before_anything_starts_and_mended_as_it_says(
    fresh: Deployment,
) -> None:
    volume = f"{fresh.project}_checkpoints:/v"
    spoil = ("sh", "-c", "touch /v/file && chown -R 4711:4711 /v")
    fresh.engine.docker("run", "--rm", "--volume", volume, fresh.standin, *spoil)

    said = fresh.compose("up", "--detach", fails=True)
    assert 'service "check" didn\'t complete successfully' in said
    assert [service_of(one) for one in fresh.containers() if one["State"]["Running"]] == []
    logs = fresh.compose("logs", "--no-log-prefix", "check")
    assert "/data/checkpoints: this volume belongs to uid 4711, and its service runs as" in logs

    (command,) = re.findall(r"docker compose (run .+)", logs)
    fresh.compose(*command.split())
    fresh.compose("run", "--rm", "check")


def test_what_is_missing_is_said_in_one_sentence_and_nothing_is_started(
    fresh: Deployment,
) -> None:
    settings = (fresh.folder / ".env").read_text()

    def refused(text: str) -> None:
        said = fresh.compose("up", "--detach", fails=True).strip()
        assert text in said
        assert len([line for line in said.splitlines() if line.strip()]) == 1, said
        assert fresh.containers() == []
        networks = fresh.engine.docker("network", "ls", "--format", "{{.Name}}")
        assert fresh.project not in networks

    try:
        for name in ("TUNER_IMAGE", "TUNER_SERVER_IMAGE"):
            without = re.sub(rf"^{name}=.*$", "", settings, flags=re.MULTILINE)
            (fresh.folder / ".env").write_text(without)
            refused(f"{name} is missing a value: is not set; put the ")
    finally:
        (fresh.folder / ".env").write_text(settings)
    (fresh.folder / "secrets").rename(fresh.folder / "elsewhere")
    try:
        refused("secrets/run-sh-secrets.sh-first")
    finally:
        (fresh.folder / "elsewhere").rename(fresh.folder / "secrets")


def test_a_registry_that_is_away_is_said_and_nothing_is_started(fresh: Deployment) -> None:
    away = f"127.0.0.1:{free_port()}/team/tuner-worker@sha256:{'a' * 64}"

    said = fresh.compose("up", "--detach", fails=True, TUNER_IMAGE=away)
    assert "connection refused" in said
    assert fresh.containers() == []
    for kind in ("volume", "network"):
        assert fresh.project not in fresh.engine.docker(kind, "ls", "--format", "{{.Name}}")


def test_an_image_by_its_tag_is_refused_before_anything_starts(fresh: Deployment) -> None:
    image = fresh.setting("TUNER_IMAGE")
    tag = image.partition("@")[0] + ":test"

    said = fresh.compose("run", "--rm", "check", fails=True, TUNER_IMAGE=tag)
    assert f"TUNER_IMAGE={tag}: a tag may name another image tomorrow" in said


def test_down_leaves_nothing(fresh: Deployment) -> None:
    fresh.compose("up", "--detach", "--no-deps", "check", "tensorboard")
    fresh.compose("down", "--volumes")

    assert fresh.containers() == []
    for kind in ("volume", "network"):
        assert fresh.project not in fresh.engine.docker(kind, "ls", "--format", "{{.Name}}")
