"""What stops a build, and what it says: a false hash, a false label, a registry that is away."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.acceptance.environments import ROOT
from tests.docker.engine import Engine
from tests.docker.images import call_build, secrets
from tests.docker.registry import Registry

_TAG = "tuner-test/refused:1"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of what the images are built from, to be changed."""
    tree = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__", "secrets", ".env", "node_modules")
    for name in ("docker", "tuner", "workers", "search_spaces"):
        shutil.copytree(ROOT / name, tree / name, ignore=ignore)
    files = [".dockerignore", "pyproject.toml", "README.md", "LICENSE"]
    for path in [*(ROOT / name for name in files), *ROOT.glob("requirements-*.lock")]:
        shutil.copy(path, tree)
    return tree


def is_there(engine: Engine, image: str) -> bool:
    return engine.call("image", "inspect", image).returncode == 0


def test_a_falsified_hash_stops_the_build(
    engine: Engine, base: str, source: Path, built_images: object
) -> None:
    lock = source / "requirements-worker-plain.lock"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", lock.read_text()))

    done = call_build(engine, "worker", "plain", _TAG, *secrets(), base=base, source=source)

    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not is_there(engine, _TAG)


def test_a_label_that_is_not_true_stops_the_build(
    engine: Engine, base: str, built_images: object
) -> None:
    false = ["--build-arg", "VERSION=9.9.9"]
    done = call_build(engine, "worker", "plain", _TAG, *secrets(), *false, base=base)

    assert done.returncode != 0
    assert "VERSION=9.9.9, but the version that is installed is" in done.stderr
    assert not is_there(engine, _TAG)


def test_pip_is_taken_out_where_the_official_python_images_have_it(
    engine: Engine, base: str
) -> None:
    library, programs = "/usr/local/lib/python3.12", "/usr/local/bin"
    pips = [
        f"{library}/site-packages/pip/__main__.py",
        f"{library}/site-packages/pip-25.0.1.dist-info/RECORD",
        f"{library}/ensurepip/__init__.py",
        *(f"{programs}/pip{version}" for version in ("", "3", "3.12")),
    ]
    kept = [f"{library}/site-packages/pipeline/__init__.py", f"{programs}/python3.12"]
    act = (
        'for f in "$@"; do mkdir -p "${f%/*}"; touch "$f"; done; sh /harden.sh; ls "$@" 2>/dev/null'
    )
    script = f"--volume={ROOT / 'docker' / 'harden.sh'}:/harden.sh:ro"

    done = engine.call(
        *("run", "--rm", "--user=0", script, "--entrypoint=sh", base, "-c", act, "sh"), *pips, *kept
    )

    assert sorted(done.stdout.split()) == sorted(kept), done.stderr


def test_a_registry_that_is_away_is_said_before_anything_is_built(
    engine: Engine, base: str
) -> None:
    tag = "127.0.0.1:1/team/tuner-worker:1"
    done = call_build(engine, "worker", "plain", tag, "--push", base=base)

    assert done.returncode == 2
    assert f"the registry of {tag} does not answer, nothing was built" in done.stderr
    assert "connection refused" in done.stderr
    assert not is_there(engine, tag)


def test_a_base_that_is_nowhere_stops_the_build_at_once(engine: Engine, registry: Registry) -> None:
    base = registry.name(f"nobody/python:3.12@sha256:{'0' * 64}")
    done = call_build(engine, "coordinator", _TAG, base=base)

    assert done.returncode != 0
    assert "not found" in done.stderr
    assert not is_there(engine, _TAG)


def test_without_an_engine_the_build_says_so(engine: Engine, tmp_path: Path) -> None:
    away = Engine(host=f"unix://{tmp_path}/none.sock", cli=engine.cli, config=engine.config)

    done = call_build(away, "coordinator", _TAG, base="")

    assert done.returncode == 2
    assert "no container engine answers" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["worker"], "usage"),
        (["worker", "tiny", "x:1"], "there is no flavour tiny: cpu gpu jax plain torch"),
        (["server", "x:1"], "usage"),
    ],
)
def test_a_command_that_is_wrong_is_answered(
    arguments: list[str], said: str, engine: Engine
) -> None:
    done = call_build(engine, *arguments, base="")

    assert done.returncode == 2
    assert said in done.stderr
