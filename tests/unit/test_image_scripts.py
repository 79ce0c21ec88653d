"""The scripts of an image build that need no engine: which bases are refused, what is taken out."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"


def check_base(folder: Path, python: str | None) -> subprocess.CompletedProcess[str]:
    """Run check-base.sh where `python3` is the given program, or is not there."""
    programs = folder / "bin"
    programs.mkdir()
    for tool in ("sh", "sed"):
        (programs / tool).symlink_to(shutil.which(tool) or "")
    if python is not None:
        (programs / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (programs / "python3").chmod(0o755)
    return subprocess.run(
        ["sh", DOCKER / "check-base.sh"],
        cwd=ROOT,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


def pretending(version: tuple[int, int]) -> str:
    """Return a script of a python3 that says to be of another version."""
    lie = (
        f"import sys, platform; sys.version_info = {(*version, 1)}; "
        f"platform.python_version = lambda: '{version[0]}.{version[1]}.1'; "
        "sys.argv[0] = '-'; exec(sys.stdin.read())"
    )
    return (
        f'if [ "$1" = - ]; then shift; exec {sys.executable} -c "{lie}" "$@"; fi\n'
        f'exec {sys.executable} "$@"'
    )


def test_a_python_that_the_locks_are_for_passes(tmp_path: Path) -> None:
    done = check_base(tmp_path, pretending((3, 13)))

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", [(3, 10), (3, 14), (4, 0)])
def test_a_python_without_a_place_in_the_lock_is_refused_in_a_sentence(
    version: tuple[int, int], tmp_path: Path
) -> None:
    done = check_base(tmp_path, pretending(version))

    assert done.returncode == 1
    numbers = f"{version[0]}.{version[1]}.1"
    assert f"The base image has Python {numbers}; the locks are for Python 3.11 " in done.stderr
    assert "up to, but without, 3.14." in done.stderr
    assert "--build-arg BASE_IMAGE=" in done.stderr


def test_a_base_without_python_is_refused(tmp_path: Path) -> None:
    done = check_base(tmp_path, None)

    assert done.returncode == 1
    assert "The base image has no python3" in done.stderr


def test_a_python_without_venv_is_refused_with_the_name_of_the_package(tmp_path: Path) -> None:
    without = f'case "$2" in *ensurepip*) exit 1 ;; esac\nexec {sys.executable} "$@"'

    done = check_base(tmp_path, without)

    assert done.returncode == 1
    assert "no module venv: on Debian that is the package python3-venv" in done.stderr


def test_the_range_that_bases_are_checked_against_is_that_of_the_locks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    high = project["requires-python"].partition("<")[2]

    for lock in [*ROOT.glob("requirements-*.lock"), *DOCKER.glob("requirements-*.lock")]:
        assert f"python_full_version < '{high}'" in lock.read_text(), lock.name


def test_every_lock_of_a_worker_is_a_flavour_that_the_dockerfile_names() -> None:
    flavours = {
        path.stem.removeprefix("requirements-worker-") for path in ROOT.glob("*worker-*.lock")
    }
    for text in ((DOCKER / name).read_text() for name in ("worker.Dockerfile", "build.sh")):
        named = text.partition("flavours: ")[2].splitlines()[0].split()
        assert set(named) == flavours
    page = (ROOT / "docs" / "containers.md").read_text()
    assert set(re.findall(r"sh docker/build\.sh worker (\S+)", page)) <= flavours
    table = page.partition("| flavour | trains with |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(cpu|gpu|plain|jax|torch)`", table)) == flavours


@pytest.mark.parametrize("name", ["worker", "coordinator"])
def test_pip_stays_behind_in_the_build_stage(name: str) -> None:
    final = (DOCKER / f"{name}.Dockerfile").read_text().rpartition("\nFROM ")[2]

    assert re.findall(r"COPY --from=build (\S+)", final) == ["/app"]
    assert "pip.sh" not in final
    assert "harden.sh" in final
    assert final.index("harden.sh") < final.index("USER 10001")
