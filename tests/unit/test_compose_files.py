"""What the containers of a Compose deployment run, may do, see and reach, read from docker/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

DOCKER = Path(__file__).parents[2] / "docker"
PROXY = (DOCKER / "proxy" / "nginx.conf").read_text()
#: A name, a tag that says what it is, and the digest that decides.
PINNED = re.compile(r"[a-z0-9./:_-]+:[\w.-]+@sha256:[0-9a-f]{64}")
VARIABLE = re.compile(r"\$\{(\w+)")
#: Those that must be set, by whom they are run.
IMAGES = {
    "TUNER_IMAGE": {"worker"},
    "TUNER_SERVER_IMAGE": {"check", "server", "tensorboard"},
}

Document = dict[str, Any]


def load(name: str) -> Document:
    document: Document = YAML(typ="safe").load(DOCKER / name)
    return document


COMPOSE = load("compose.yaml")
SERVICES: dict[str, Document] = COMPOSE["services"]
#: They run for as long as the deployment does.
LASTING = [name for name in SERVICES if name != "check"]


def variable(text: str) -> str:
    (name,) = VARIABLE.findall(text)
    return str(name)


def networks(name: str) -> set[str]:
    return set(SERVICES[name].get("networks", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_by_digest_or_named_by_who_deploys(name: str) -> None:
    service = SERVICES[name]

    assert "build" not in service
    if not PINNED.fullmatch(service["image"]):
        assert name in IMAGES[variable(service["image"])]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_that_is_not_named_is_asked_for_in_a_sentence(name: str) -> None:
    text = (DOCKER / "compose.yaml").read_text()

    # Once, so that no warning of another place stands beside the sentence.
    (asked,) = re.findall(rf"\${{{name}\b(.*)}}", text)
    assert re.fullmatch(r":\?is not set; put the .+ image into \.env, as .+@sha256:…", asked)


def test_what_a_worker_says_it_runs_is_what_compose_runs() -> None:
    runs = SERVICES["worker"]["image"]

    assert variable(runs) == "TUNER_IMAGE"
    assert SERVICES["worker"]["environment"]["TUNER_IMAGE"] == runs
    assert SERVICES["server"]["environment"]["TUNER_WORKER_IMAGE"] == runs
    assert SERVICES["check"]["environment"]["TUNER_IMAGE"] == runs
    for name in ("LOCK", "FILES"):
        said = f"${{TUNER_IMAGE_{name}:-}}"
        assert SERVICES["server"]["environment"][f"TUNER_WORKER_{name}"] == said
        assert SERVICES["check"]["environment"][f"TUNER_IMAGE_{name}"] == said


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened_and_has_limits(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert "mem_limit" in service
    assert "pids_limit" in service
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode"} & service.keys()
    assert service.get("network_mode") in (None, "none")
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_runs_as_root(name: str) -> None:
    user = SERVICES[name].get("user")
    if user is None:
        dockerfile = "worker" if name == "worker" else "coordinator"
        lines = (DOCKER / f"{dockerfile}.Dockerfile").read_text().splitlines()
        user = [line.split()[1] for line in lines if line.startswith("USER ")][-1]

    assert not user.startswith(("0", "root"))


@pytest.mark.parametrize("name", LASTING)
def test_every_service_has_a_health_check_and_comes_back(name: str) -> None:
    check = SERVICES[name]["healthcheck"]

    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert SERVICES[name]["restart"] == "unless-stopped"
    # Compose hands an option for the start to engines that are older than it.
    assert "start_interval" not in check


@pytest.mark.parametrize("name", LASTING)
def test_nothing_starts_before_the_check_has_passed(name: str) -> None:
    def waits_for(name: str) -> set[str]:
        found = set(SERVICES[name].get("depends_on", ()))
        return found.union(*(waits_for(other) for other in found))

    assert "check" in waits_for(name)
    for service in SERVICES.values():
        needed = service.get("depends_on", {}).get("check")
        assert needed in (None, {"condition": "service_completed_successfully"})


def test_an_old_compose_meets_the_sentence_about_itself_first() -> None:
    # docker-compose 1 takes services and their options in this order, and knows no project name.
    first = next(iter(SERVICES))
    texts = [str(value) for value in SERVICES[first].values() if VARIABLE.search(str(value))]

    assert first == "check"
    assert re.search(r"\${COMPOSE_PROJECT_NAME:\?this file needs Docker Compose 2\.26 ", texts[0])


def test_the_check_looks_at_every_volume_as_its_service_runs() -> None:
    check = SERVICES["check"]
    looked_at = dict(item.split("=") for item in check["command"])
    mounted = dict(volume.split(":")[:2] for volume in check["volumes"])

    assert mounted.keys() == COMPOSE["volumes"].keys()
    assert set(mounted.values()) == looked_at.keys()
    for name in ("redis", "postgres"):
        assert looked_at[mounted[name]] == SERVICES[name]["user"]
    for name in ("logs", "checkpoints", "home"):
        assert looked_at[mounted[name]] == "10001"


def test_workers_and_the_server_start_when_what_they_call_is_ready() -> None:
    healthy = {"condition": "service_healthy"}

    assert "/readyz'" in SERVICES["server"]["healthcheck"]["test"][-1]
    assert SERVICES["worker"]["depends_on"] == {"server": healthy, "proxy": healthy}
    assert (
        SERVICES["server"]["depends_on"].items() >= {"redis": healthy, "postgres": healthy}.items()
    )


def test_only_what_has_tls_can_be_published_beyond_this_host() -> None:
    published = {name for name, service in SERVICES.items() if "ports" in service}
    tls = set(re.findall(r"listen (\d+) ssl;", PROXY))

    assert published == {"proxy"}
    for port in SERVICES["proxy"]["ports"]:
        target = port.rpartition(":")[2]
        if target in tls:
            assert port.startswith("${TUNER_ADDRESS:-127.0.0.1}:")
        else:
            assert port.startswith("127.0.0.1:")
    assert len(SERVICES["proxy"]["ports"]) == len(tls) + 1


def test_a_worker_shares_networks_with_the_proxy_and_redis_alone() -> None:
    neighbours = {name for name in SERVICES if networks(name) & networks("worker")}

    assert neighbours == {"worker", "proxy", "redis"}


def test_the_database_is_reached_by_the_server_alone_and_tensorboard_by_the_proxy() -> None:
    assert {name for name in SERVICES if "database" in networks(name)} == {"postgres", "server"}
    assert {name for name in SERVICES if "board" in networks(name)} == {"tensorboard", "proxy"}
    assert networks("tensorboard") == {"board"}
    assert networks("check") == set()


def test_every_network_is_internal_but_that_of_the_ports_and_where_told_that_of_training() -> None:
    inside = {name: network.get("internal") for name, network in COMPOSE["networks"].items()}

    assert {name for name, value in inside.items() if value is not True} == {"work", "front"}
    assert inside["work"] == "${TUNER_WORK_INTERNAL:-false}"
    assert {name for name in SERVICES if "front" in networks(name)} == {"proxy"}


def test_secrets_are_files_and_each_container_gets_only_its_own() -> None:
    seen = {name: set(service.get("secrets", ())) for name, service in SERVICES.items()}

    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    assert seen == {
        "check": set(),
        "redis": {"redis_conf"},
        "postgres": {"postgres_password"},
        "server": {"database_url", "redis_url", "token", "worker_redis_url", "worker_token"},
        # A trial reads what its worker reads.
        "worker": {"worker_token"},
        "tensorboard": set(),
        "proxy": {"board_users", "tls_certificate", "tls_key"},
    }
    for service in SERVICES.values():
        # Those without a name stay behind with every container that ends.
        assert all(":" in volume for volume in service.get("volumes", ()))
        environment = service.get("environment", {})
        secret = [k for k in environment if re.search(r"PASSWORD|TOKEN|DATABASE_URL|REDIS_URL", k)]
        assert all(key.endswith("_FILE") for key in secret), secret


def test_every_server_has_a_home_of_its_own_so_that_a_second_one_can_stand_by() -> None:
    server = SERVICES["server"]

    assert server["environment"]["TUNER_HOME"] == "/tmp/tuner"  # noqa: S108
    assert server["tmpfs"] == ["/tmp"]  # noqa: S108


def test_tensorboard_shows_all_studies_and_cannot_write_there() -> None:
    board = SERVICES["tensorboard"]

    assert board["command"] == ["${TUNER_BOARD_STUDY:-}"]
    assert board["volumes"] == ["logs:/data/logs:ro"]


@pytest.mark.parametrize("name", ["server", "worker"])
def test_containers_log_for_collectors(name: str) -> None:
    assert SERVICES[name]["environment"]["TUNER_LOG_FORMAT"] == "${TUNER_LOG_FORMAT:-json}"


def test_every_variable_of_the_compose_files_is_explained() -> None:
    files = ("compose.yaml", "compose.build.yaml", "compose.gpu.yaml")
    used = {name for file in files for name in VARIABLE.findall((DOCKER / file).read_text())}
    explained = set(re.findall(r"^(\w+)=", (DOCKER / ".env.example").read_text(), re.MULTILINE))

    # Compose itself sets this one.
    assert used - {"COMPOSE_PROJECT_NAME"} == explained


def test_what_is_built_here_is_what_runs_and_states_no_digest() -> None:
    build = load("compose.build.yaml")["services"]

    for name in ("server", "worker"):
        assert (DOCKER.parent / build[name]["build"]["dockerfile"]).is_file()
        assert "image" not in build[name]
    stated = [value for service in build.values() for value in service["environment"].values()]
    assert set(stated) == {""}
    named = {key for service in build.values() for key in service["environment"]}
    assert named == {
        *("TUNER_IMAGE", "TUNER_SERVER_IMAGE"),
        *("TUNER_WORKER_IMAGE", "TUNER_WORKER_LOCK", "TUNER_WORKER_FILES"),
    }


def test_each_gpu_has_a_container_of_its_own_and_a_profile_starts_as_many() -> None:
    services = load("compose.gpu.yaml")["services"]
    assert services.pop("worker") == {"deploy": {"replicas": 0}}

    for number, (name, service) in enumerate(services.items()):
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert name == f"gpu-{number}"
        assert device["device_ids"] == [str(number)]
        assert device["capabilities"] == ["gpu"]
        assert service["extends"] == {"file": "compose.yaml", "service": "worker"}
    for count in range(1, len(services) + 1):
        started = [name for name, one in services.items() if f"gpus-{count}" in one["profiles"]]
        assert started == [f"gpu-{number}" for number in range(count)]


def proxy_server(port: int) -> str:
    """Return the block of the proxy that listens at a port."""
    (block,) = [part for part in PROXY.split("\n    server {")[1:] if f"listen {port}" in part]
    return block


def test_the_proxy_asks_for_a_password_before_tensorboard_and_hands_it_to_nobody() -> None:
    board = proxy_server(6443)

    assert "auth_basic_user_file /run/secrets/board_users;" in board
    assert 'proxy_set_header Authorization "";' in board
    assert board.count("location") == 1
    assert "tensorboard" not in proxy_server(8443) + proxy_server(8080)


@pytest.mark.parametrize("port", [8080, 8443, 6443])
def test_the_proxy_says_itself_where_a_request_comes_from(port: int) -> None:
    block = proxy_server(port)
    # A block with headers of its own takes none of those around it.
    own = block if "proxy_set_header" in block else PROXY.partition("\n    server {")[0]

    if port != 6443:
        assert "proxy_set_header X-Forwarded-For $remote_addr;" in own
        assert "$http_x_forwarded_for" not in PROXY
    assert "proxy_set_header Host $http_host;" in own


def test_the_proxy_finds_servers_that_come_and_go() -> None:
    assert re.search(r"resolver 127\.0\.0\.11 valid=\ds", PROXY)
    # A name in its place is looked up once, at the start.
    assert set(re.findall(r"proxy_pass http://(\S+?):\d+;", PROXY)) == {"$servers", "$board"}
    named = {"server", "tensorboard"}
    assert set(re.findall(r"set \$(?:servers|board) (\w+);", PROXY)) == named <= SERVICES.keys()
