"""`tuner init compose`: what it writes for a new host, and what a second run leaves alone."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from tuner.cli.main import main

DOCKER = Path(__file__).parents[2] / "docker"
COPIED = ["compose.gpu.yaml", "compose.yaml", "proxy/nginx.conf", "secrets.sh"]
WORKER = f"registry.example/team/tuner-worker@sha256:{'a' * 64}"
SERVER = f"registry.example/team/tuner-coordinator@sha256:{'b' * 64}"
IMAGES = ("--image", WORKER, "--server-image", SERVER)


def tuner(*args: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def without_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of programs that come first on the PATH: a `docker` with a Compose of today."""
    programs = tmp_path / "programs"
    programs.mkdir()
    docker = programs / "docker"
    docker.write_text("#!/bin/sh\necho 2.40.3\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return programs


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.usefixtures("without_docker")
def test_it_writes_all_that_a_host_needs_and_says_the_next_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tuner("init", "compose", "my host", *IMAGES) == 0
    said = capsys.readouterr().out
    made = contents(Path("my host"))

    for name in COPIED:
        assert made[name] == (DOCKER / name).read_bytes()
    settings = made[".env"].decode().splitlines()
    assert f"TUNER_IMAGE={WORKER}" in settings
    assert f"TUNER_SERVER_IMAGE={SERVER}" in settings
    assert "TUNER_ADDRESS=127.0.0.1" in settings
    assert {"secrets/token", "secrets/tls.key", "secrets/board_users"} <= made.keys()
    assert re.search(r"^wrote    my host/compose\.yaml$", said, re.MULTILINE)
    assert "start    cd 'my host' && docker compose up --detach --scale worker=2\n" in said
    token = Path("my host/secrets/token").absolute()
    assert f"TUNER_API_URL=http://127.0.0.1:8080 TUNER_TOKEN_FILE='{token}' && tuner list" in said
    assert "https://localhost:6006, user tuner, password in my host/secrets/board_password" in said
    assert Path(token).read_text() not in said


@pytest.mark.usefixtures("without_docker")
def test_the_facts_of_an_image_are_what_its_workers_have_to_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("image.json").write_text(json.dumps({"lock": "1" * 64, "files": "2" * 64}))

    assert tuner("init", "compose", "host", *IMAGES, "--image-facts", "image.json") == 0
    settings = Path("host/.env").read_text().splitlines()
    assert {f"TUNER_IMAGE_LOCK={'1' * 64}", f"TUNER_IMAGE_FILES={'2' * 64}"} <= set(settings)

    assert tuner("init", "compose", "other", "--image-facts", "image.json") == 2
    assert "--image-facts: of which image? name it by --image" in capsys.readouterr().err
    assert not Path("other").exists()


@pytest.mark.usefixtures("without_docker")
def test_the_secrets_are_closed_and_the_rest_is_read_by_containers() -> None:
    assert tuner("init", "compose", "host") == 0

    assert stat.S_IMODE(Path("host/secrets").stat().st_mode) == 0o700
    for name in (".env", "compose.yaml", "proxy/nginx.conf"):
        assert stat.S_IMODE((Path("host") / name).stat().st_mode) == 0o644
    assert os.access("host/secrets.sh", os.X_OK)


@pytest.mark.usefixtures("without_docker")
def test_a_second_run_changes_nothing_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert tuner("init", "compose", "host", *IMAGES) == 0
    (Path("host") / "compose.yaml").write_text("mine")
    before = contents(Path("host"))
    capsys.readouterr()

    other = ("--image", WORKER.replace("a" * 64, "c" * 64), "--host", "tuner.example")
    assert tuner("init", "compose", "host", *other) == 0
    said = capsys.readouterr().out
    assert contents(Path("host")) == before
    assert "nothing was changed: everything was there" in said
    assert "kept     host/compose.yaml: differs from this release's" in said
    assert "kept     host/proxy/nginx.conf\n" in said
    assert f"note     host/.env was there and says TUNER_IMAGE={WORKER}; it stays" in said
    assert "note     host/.env was there and says TUNER_ADDRESS=127.0.0.1; it stays" in said


@pytest.mark.usefixtures("without_docker")
def test_what_is_missing_is_added(capsys: pytest.CaptureFixture[str]) -> None:
    assert tuner("init", "compose", "host") == 0
    before = contents(Path("host"))
    Path("host/proxy/nginx.conf").unlink()
    Path("host/secrets/worker_token").unlink()
    capsys.readouterr()

    assert tuner("init", "compose", "host", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    after = contents(Path("host"))
    assert {name for name in after if after[name] != before[name]} == {"secrets/worker_token"}
    assert document == {
        "folder": "host",
        "files": {
            ".env": "kept",
            "compose.gpu.yaml": "kept",
            "compose.yaml": "kept",
            "proxy/nginx.conf": "wrote",
            "secrets.sh": "kept",
        },
        "secrets": ["worker_token"],
        "missing": ["TUNER_IMAGE", "TUNER_SERVER_IMAGE"],
        "ignored": [],
    }


@pytest.mark.usefixtures("without_docker")
def test_images_that_were_not_given_are_asked_for_before_the_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tuner("init", "compose", "host", "--image", WORKER) == 0

    said = capsys.readouterr().out
    assert "first    put TUNER_SERVER_IMAGE into host/.env, by digest\nstart " in said


@pytest.mark.usefixtures("without_docker")
def test_a_host_that_is_named_lets_others_in_with_a_certificate_for_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tuner("init", "compose", "host", "--host", "tuner.example", "--host", "10.0.0.5") == 0

    assert "TUNER_ADDRESS=0.0.0.0" in Path("host/.env").read_text()
    said = capsys.readouterr().out
    assert "others   https://HOST:8443 with TUNER_CA_FILE, a copy of host/secrets/tls.crt" in said


@pytest.mark.usefixtures("without_docker")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--image", "team/worker:latest"], "--image 'team/worker:latest': name@sha256: and 64"),
        ([*IMAGES, "--image-facts", "none.json"], "--image-facts none.json: cannot be read"),
        (["--server-image", "x@sha256:12"], "--server-image 'x@sha256:12': name@sha256: and 64"),
        (["--host", "a b"], "a b: is neither a host name nor an address"),
        (["--host", "$(id)"], "$(id): is neither a host name nor an address"),
    ],
)
def test_a_wrong_option_is_refused_and_nothing_is_left(
    options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tuner("init", "compose", "host", *options) == 2
    assert reason in capsys.readouterr().err
    assert not Path("host").exists()


def test_a_compose_that_is_too_old_is_named_and_nothing_is_left(
    without_docker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (without_docker / "docker").write_text("#!/bin/sh\necho 2.3.3\n")

    assert tuner("init", "compose", "host") == 2
    assert "this host has Docker Compose 2.3.3" in capsys.readouterr().err
    assert not Path("host").exists()


@pytest.mark.usefixtures("without_docker")
@pytest.mark.parametrize("target", ["file", "file/below", "/proc/none", "n" * 300])
def test_where_nothing_can_be_written_it_says_so(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").write_text("")

    assert tuner("init", "compose", target) == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said
    assert "Traceback" not in said


def test_options_of_a_deployment_are_refused_for_a_study(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tuner("init", "mlp", "new", "--host", "tuner.example") == 2
    assert "--server-image and --host are of `tuner init compose DIR`" in capsys.readouterr().err
    assert not Path("new").exists()
