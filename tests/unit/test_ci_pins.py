"""The image that a spec or a list pins: written by docker/ci, and read as the spec means it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.training.ci_lab import STEPS
from tests.support.training.ci_signing import IMAGE, OTHER, SPEC
from tuner.errors import SpecError
from tuner.spec import load_spec


def pin(file: Path, key: str, image: str = IMAGE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(STEPS / "pin.py"), str(file), key, image]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read(file: Path, key: str) -> str:
    command = [sys.executable, str(STEPS / "pin.py"), "--read", str(file), key]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "line",
    [
        f"image: {OTHER}\n",
        f"image:   {OTHER}   # built on Monday\n",
        f'image: "{OTHER}"  # "quoted" one\n',
        f"image: '{OTHER}'\n",
        "image:\n",
        "image:  # to be filled in by the pipeline\n",
        "",
    ],
)
def test_a_pin_changes_one_line_of_a_spec_and_nothing_else(tmp_path: Path, line: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(SPEC.format(image=line))
    before = file.read_text().splitlines()
    assert pin(file, "image").returncode == 0
    after = file.read_text().splitlines()

    assert str(load_spec(file).spec.image) == IMAGE
    assert read(file, "image") == IMAGE
    changed = [text for text in after if text not in before]
    assert len(changed) == 1
    assert [text for text in before if text not in after] == ([line.rstrip("\n")] if line else [])
    if "#" in line:
        assert changed[0].endswith(line.strip()[line.strip().index("#") :])
    again = file.read_bytes()
    assert "already" in pin(file, "image").stdout
    assert file.read_bytes() == again


def test_a_pin_of_a_list_changes_the_line_of_its_table(tmp_path: Path) -> None:
    file = tmp_path / "pins.toml"
    text = f"""\
# pins
[actions]
worker = "x"
[images]
redis = "r"
worker = "{OTHER}" # ours
[z]
worker = 1
"""
    file.write_text(text)

    assert pin(file, "images.worker").returncode == 0
    assert file.read_text() == text.replace(f'"{OTHER}"', f'"{IMAGE}"')


@pytest.mark.parametrize(
    ("name", "text", "key", "image", "said"),
    [
        ("a.yaml", SPEC.format(image=""), "image", "team/digits:latest", "no image by digest"),
        ("a.yaml", SPEC.format(image=""), "image", f"{IMAGE}\nx: 1", "no image by digest"),
        (
            "a.yaml",
            SPEC.format(image=f"image: {OTHER}\nimage: {OTHER}\n"),
            "image",
            IMAGE,
            "2 times",
        ),
        ("a.yaml", SPEC.format(image="image: [a,\n  b]\n"), "image", IMAGE, "image: NAME"),
        ("a.yaml", "services: {}\n", "image", IMAGE, "not a study spec"),
        ("a.yaml", SPEC.format(image=""), "budget", IMAGE, "not budget"),
        ("a.toml", "[images]\n", "images.worker", IMAGE, "has no images.worker"),
        ("a.toml", "[images]\n", "other.worker", IMAGE, "no table [other]"),
        ("a.txt", "", "image", IMAGE, "neither a spec"),
    ],
)
def test_what_cannot_be_pinned_is_said_and_left_as_it_is(
    tmp_path: Path, name: str, text: str, key: str, image: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    done = pin(file, key, image)

    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert file.read_text() == text


GOOD = f"image: {IMAGE}\n"


@pytest.mark.parametrize(
    "lines",
    [
        GOOD,
        f'{GOOD}"image": {OTHER}\n',
        f"{GOOD}? image\n: {OTHER}\n",
        f'"im\\u0061ge": {OTHER}\n{GOOD}',
        f'"image": {OTHER}\n',
        f"image: !!str {OTHER}\n",
        f"image: &a {OTHER}\n",
        f"image: >-\n  {OTHER}\n",
        f"image: {IMAGE}\n  more\n",
        f"{GOOD}---\nimage: {OTHER}\n",
        f"image : {OTHER}\n",
        f"image:\t{OTHER}\n",
        f"image: {IMAGE}\rimage: {OTHER}\n",
        f"image: {IMAGE}\u2028image: {OTHER}\n",
        f"base: &b {{image: {OTHER}}}\n<<: *b\n{GOOD}",
    ],
)
def test_the_image_that_is_verified_is_the_one_that_the_spec_means(
    tmp_path: Path, lines: str
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(SPEC.format(image=lines), newline="")
    command = [sys.executable, str(STEPS / "pin.py"), "--read", str(file), "image"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return
    with contextlib.suppress(SpecError):
        assert str(load_spec(file).spec.image) == done.stdout.strip()
