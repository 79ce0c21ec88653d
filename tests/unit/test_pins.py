"""What comes from elsewhere is pinned, and every file says what docker/pins.toml says."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.support.hostile.pin_policy import problems, problems_of

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("pins", ROOT / "docker" / "pins.py")
assert SPEC is not None
assert SPEC.loader is not None
pins = importlib.util.module_from_spec(SPEC)
# A dataclass looks its module up.
sys.modules["pins"] = pins
SPEC.loader.exec_module(pins)

OTHER = "0" * 64
PINS = pins.load_pins(ROOT / "docker" / "pins.toml")


@cache
def texts() -> list[str]:
    """Return what the files say that pins are written into."""
    return [path.read_text() for path in pins.pinned_files(ROOT)]


def test_nothing_in_the_repository_is_unpinned() -> None:
    assert problems(ROOT) == []


def test_every_file_says_what_the_pins_say() -> None:
    assert pins.stale_files(ROOT, PINS) == {}


@pytest.mark.parametrize("key", sorted(PINS.images))
def test_every_pinned_image_stands_in_a_file_that_is_deployed(key: str) -> None:
    assert any(PINS.images[key] in text for text in texts())


def test_every_pinned_action_and_tool_is_used() -> None:
    for action in PINS.actions:
        assert any(f"uses: {action}@" in text for text in texts()), action
    for tool in PINS.tools:
        assert any(f"{tool.upper()}_VERSION" in text for text in texts()), tool


Mutation = tuple[str, Callable[[str], str]]

#: One change of a real file each, or a new file, which has to be refused.
MUTATIONS: dict[str, Mutation] = {
    "a base without digest": (
        "docker/worker.Dockerfile",
        lambda text: re.sub(r"@sha256:\w+", "", text),
    ),
    "a base that is latest": (
        "docker/coordinator.Dockerfile",
        lambda text: re.sub(r"python:\S+@sha256:\w+", "python:latest", text),
    ),
    "a second stage of its own": (
        "docker/worker.Dockerfile",
        lambda text: text + "\nFROM debian:12 AS more\n",
    ),
    "a copy from an image": (
        "docker/worker.Dockerfile",
        lambda text: text + "\nCOPY --from=busybox:1.37 /bin/sh /bin/sh\n",
    ),
    "pip without hashes in an image": (
        "docker/worker.Dockerfile",
        lambda text: text.replace("--require-hashes", "", 2),
    ),
    "a package of the distribution in an image": (
        "docker/coordinator.Dockerfile",
        lambda text: text + "\nRUN apt-get update \\\n && apt-get install -y tini\n",
    ),
    "a download in an image": (
        "docker/coordinator.Dockerfile",
        lambda text: text + "\nADD https://example.com/tini /tini\n",
    ),
    "a service by tag": (
        "docker/compose.yaml",
        lambda text: re.sub(r"(image: redis:\S+)@sha256:\w+", r"\1", text),
    ),
    "a service without tag": (
        "docker/compose.yaml",
        lambda text: re.sub(r"image: redis:\S+", "image: redis", text),
    ),
    "an image with a default that is no digest": (
        "docker/compose.yaml",
        lambda text: re.sub(r"image: redis:\S+", "image: ${REDIS:-redis:7}", text),
    ),
    "an action by tag": (
        ".github/workflows/new.yml",
        lambda _: "steps:\n  - uses: actions/checkout@v4\n",
    ),
    "an action by a short commit": (
        "docker/ci/github/new.yaml",
        lambda _: "steps:\n  - name: x\n    uses: actions/checkout@3d3c42e\n",
    ),
    "an image of a pipeline by tag": (
        ".gitlab-ci.yml",
        lambda _: "test:\n  image:\n    name: python:3.12\n",
    ),
    "an image of Kubernetes by tag": (
        "docker/kubernetes/new.yaml",
        lambda _: "spec:\n  containers:\n    - image: redis:7.4\n",
    ),
    "kustomize by tag": (
        "docker/kubernetes/kustomization.yaml",
        lambda _: "images:\n  - name: tuner\n    newTag: '1'\n",
    ),
    "documentation that says latest": (
        "docs/new.md",
        lambda _: "```sh\ndocker pull team/tuner-worker:latest\n```\n",
    ),
    "documentation that builds on a tag": ("docs/new.md", lambda _: "FROM python:3.12\n"),
    "pip without hashes in a script": (
        "setup.sh",
        lambda text: text.replace("--require-hashes", ""),
    ),
    "pip without hashes in the Makefile": (
        "Makefile",
        lambda text: text + "\nmore:\n\tpip install ruff==0.17\n",
    ),
    "pip without hashes in a pipeline": (
        ".github/workflows/new.yml",
        lambda _: "steps:\n  - run: pip install tuner-service\n",
    ),
    "a hook by tag": (
        ".pre-commit-config.yaml",
        lambda text: text + "  - repo: https://example.com/hooks\n    rev: v5.0.0\n",
    ),
    "npm without a lock": (".ci/scripts", lambda text: text.replace("npm ci", "npm install")),
    "a lock without a hash": (
        "requirements-server.lock",
        lambda text: text + "idna==3.1 ; python_version < '4'\n",
    ),
    "a new lock without hashes": ("docker/ci/requirements.txt", lambda _: "idna==3.1\n"),
    "a script package without integrity": (
        "package-lock.json",
        lambda text: re.sub(r'\n *"integrity": "[^"]+",?', "", text, count=1),
    ),
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_the_policy_refuses(what: str) -> None:
    name, mutate = MUTATIONS[what]
    path = ROOT / name
    text = path.read_text() if path.is_file() else ""
    changed = mutate(text)
    assert changed != text

    assert list(problems_of(name, changed)) != []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Dockerfile", "ARG BASE\nFROM ${BASE}\n"),
        ("Dockerfile", f"FROM python:3.12@sha256:{OTHER} AS build\nFROM build\n"),
        ("Dockerfile", f"FROM a@sha256:{OTHER} AS build\nFROM build\nCOPY --from=build /a /a\n"),
        ("compose.yaml", "    image: ${TUNER_IMAGE:?name the worker image by digest}\n"),
        ("compose.yaml", "    image: ${TUNER_IMAGE}\n"),
        ("docs/new.md", "image: team/train@sha256:…\n"),
        ("run.yml", f"  - uses: actions/cache/restore@{'0' * 40} # v5\n"),
        ("run.yml", "  - uses: ./.github/actions/own\n"),
        ("run.sh", "echo 'pip install what is missing'\n"),
        ("run.sh", "pip install --require-hashes -r requirements-server.lock\n"),
    ],
)
def test_the_policy_leaves_what_is_pinned(name: str, text: str) -> None:
    assert list(problems_of(name, text)) == []


def test_files_that_are_not_known_to_git_yet_are_looked_at(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "Dockerfile").write_text("FROM python:3.12\n")

    assert problems(tmp_path) == ["Dockerfile:1: python:3.12: an image without digest"]


def test_pins_are_written_into_files_that_say_something_else(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    compose = tmp_path / "docker" / "compose.yaml"
    pinned = compose.read_text()
    compose.write_text(re.sub(r"redis:\S+@sha256:\w+", "redis:6.0", pinned))
    workflow = tmp_path / ".github" / "workflows" / "ci.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("- uses: actions/checkout@v3\n- uses: actions/checkout@v3 # old\n")
    (tmp_path / "Makefile").write_text("UV_VERSION := 0.1\n")

    stale = pins.stale_files(tmp_path, PINS)

    assert stale[compose] == pinned
    line = f"- uses: actions/checkout@{PINS.actions['actions/checkout']}\n"
    assert stale[workflow] == line * 2
    assert stale[tmp_path / "Makefile"] == f"UV_VERSION := {PINS.tools['uv']}\n"
    assert len(stale) == 3


def test_an_address_that_looks_like_an_image_is_left_alone() -> None:
    text = "redis://server@redis:6379/0\nFROM_REDIS=redis:6379\nnot-redis:1\n"

    assert PINS.write_into(text) == text


@pytest.mark.parametrize(
    "line",
    [
        'redis = "redis:7.4"',
        f'redis = "redis@sha256:{OTHER}"',
        'redis = "redis:7@sha256:12"',
        f'[actions]\n"a/b" = "{"0" * 40}"',
    ],
)
def test_pins_without_digest_or_version_are_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "pins.toml"
    rest = "" if "[actions]" in line else "[actions]\n"
    path.write_text(f"[images]\n{line}\n{rest}[tools]\n")

    with pytest.raises(ValueError, match=r"DIGEST|VERSION"):
        pins.load_pins(path)


def test_a_registry_that_does_not_answer_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pins.toml"
    shutil.copy(ROOT / "docker" / "pins.toml", path)
    # A program of that name that says what the real one says where there is no network.
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho 'lookup registry: no such host' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    with pytest.raises(RuntimeError, match="no such host; nothing was changed"):
        pins.resolve(path, PINS)
    assert path.read_text() == (ROOT / "docker" / "pins.toml").read_text()


def test_what_a_registry_answers_becomes_the_pin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pins.toml"
    shutil.copy(ROOT / "docker" / "pins.toml", path)
    for name, answer in {
        "docker": f"Name: x\\nDigest: sha256:{'a' * 64}\\n\\nManifests:\\n  Name: sha256:{OTHER}",
        "git": f"{'b' * 40}\\trefs/tags/v1\\n{'c' * 40}\\trefs/tags/v1^{{}}",
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nprintf '{answer}\\n'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    pins.resolve(path, PINS)

    found = pins.load_pins(path)
    assert {image.partition("@")[2] for image in found.images.values()} == {f"sha256:{'a' * 64}"}
    assert {commit.split()[0] for commit in found.actions.values()} == {"c" * 40}
    tags = [image.partition("@")[0] for image in found.images.values()]
    assert tags == [image.partition("@")[0] for image in PINS.images.values()]
