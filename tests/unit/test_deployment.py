"""What is looked at before the containers of a deployment start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuner.deployment import main

DIGEST = f"registry.example/team/tuner-worker@sha256:{'a' * 64}"
US = os.geteuid()
STRANGER = US + 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A volume of ours with something in it."""
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "data").touch()
    return volume


def test_a_volume_of_its_own_service_and_images_by_digest_pass(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = {"TUNER_IMAGE": DIGEST, "TUNER_SERVER_IMAGE": DIGEST}

    assert main([f"{folder}={US}"], images) == 0
    assert main([f"{folder}={US}:{US}"], {}) == 0
    assert main([], {"TUNER_IMAGE": ""}) == 0, "built here"
    assert capsys.readouterr().err == ""


def test_a_volume_of_another_uid_is_named_with_the_command_that_mends_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"{folder}={STRANGER}:70"], {}) == 2
    said = capsys.readouterr().err

    assert f"{folder}: this volume belongs to uid {US}, and its service runs as uid" in said
    assert f"--entrypoint chown check -R {STRANGER}:70 {folder}\n" in said
    assert said.count("\n") == 1


def test_everything_that_is_wrong_is_said_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = {"TUNER_IMAGE": "team/worker:latest", "TUNER_SERVER_IMAGE": "team/server"}

    assert main([f"{folder}={STRANGER}", f"{folder}={STRANGER}"], images) == 2
    assert capsys.readouterr().err.count("tuner: ") == 4


@pytest.mark.skipif(US != 0, reason="only root can give files away")
def test_a_new_volume_is_given_to_its_service_later_and_ours_must_be_ours_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    new.mkdir()

    assert main([f"{new}=70:70"], {}) == 0
    os.chown(new, 4711, 4711)
    assert main([f"{new}=70:70"], {}) == 2
    assert "belongs to uid 4711" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["TUNER_IMAGE_LOCK", "TUNER_IMAGE_FILES"])
def test_a_hash_that_is_none_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {name: "a" * 64}) == 0
    assert main([], {name: "a" * 63}) == 2
    assert f"{name}={'a' * 63}: must be 64 hexadecimal digits" in capsys.readouterr().err


@pytest.mark.parametrize(
    "image",
    ["team/worker", "team/worker:1.0", "team/worker@sha256:abc", f"{DIGEST}0", f"-{DIGEST}"],
)
def test_an_image_without_its_digest_is_refused(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], {"TUNER_IMAGE": image}) == 2
    assert f"TUNER_IMAGE={image}: a tag may name another image tomorrow" in capsys.readouterr().err
