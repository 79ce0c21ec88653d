"""Tuner in a user's own environment, made by the commands of docs/install.md: no TensorFlow there.

The environment is kept in a cache, by what it was made from; the wheel of this clone is put into it
for every run of these tests.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.environments import CACHE, ROOT, run
from tests.acceptance.home import end_processes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PAGE = (ROOT / "docs" / "install.md").read_text()
LOCK = ROOT / "requirements-dev.lock"
#: PyTorch for the CPU (200 MB); the index that pip knows by itself may have only the one for CUDA,
#: which is several GB with its libraries. `TUNER_TEST_TORCH` names another one.
TORCH = os.environ.get("TUNER_TEST_TORCH") or "torch==2.13.0+cpu"
TRIALS = 5
#: Python compiles what is imported; pip would compile 10 000 files of which most never are.
INSTALL = ("install", "-q", "--no-compile")


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person with an environment of their own and an empty home."""

    environment: Path
    home: Path

    def run(self, *command: str | Path) -> str:
        """Run a program of the environment; return what it prints."""
        program, *arguments = command
        done = self.try_run(self.environment / "bin" / program, *arguments)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def try_run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever its exit code."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TUNER_"))}
        return subprocess.run(
            command,
            cwd=self.home,
            env={**kept, "HOME": str(self.home), "COLUMNS": "160"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, ROOT])
    wheel = next(folder.glob("tuner_service-*.whl"))
    # The page's own command takes the hashes out of the lock.
    strip = re.search(r"^(sed .*) requirements-dev.lock > tested.txt$", PAGE, re.MULTILINE)
    assert strip is not None
    tested = folder / "tested.txt"
    tested.write_text(run(["sh", "-c", f"{strip[1]} {LOCK}"]))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [project["dependencies"], project["optional-dependencies"]]
    made_from = tested.read_bytes() + json.dumps(wanted).encode()
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    made = CACHE / f"own-{version}-{hashlib.sha256(made_from).hexdigest()[:16]}"
    install: list[str | Path] = [made / "bin" / "pip", *INSTALL]
    if not (made / "complete").exists():
        shutil.rmtree(made, ignore_errors=True)
        run([sys.executable, "-m", "venv", made])
        run([*install, "-c", tested, f"{wheel}[server,embedded,examples]"])
        (made / "complete").touch()
    run([*install, "--no-deps", "--no-index", "--force-reinstall", wheel])
    return made


@pytest.fixture
def account(environment: Path, tmp_path: Path) -> Iterator[Account]:
    home = tmp_path / "ada"
    shutil.copytree(ROOT / "search_spaces" / "examples", home)
    for spec in home.glob("*.yaml"):
        text = spec.read_text()
        spec.write_text(re.sub(r"budget: \{trials: \d+\}", f"budget: {{trials: {TRIALS}}}", text))
    yield Account(environment=environment, home=home)
    end_processes(home)


def test_a_scikit_learn_study_runs_from_a_wheel_without_tensorflow(account: Account) -> None:
    finder = "import importlib.util as u; print([n for n in {!r} if u.find_spec(n)])"
    absent = ("tensorflow", "keras", "keras_tuner", "torch")
    if (account.environment / "torch").exists():
        absent = absent[:3]

    assert account.run("python", "-c", finder.format(absent)).strip() == "[]"
    where = account.run("python", "-c", "import tuner; print(tuner.__file__)").strip()
    assert Path(where).is_relative_to(account.environment)

    account.run("tuner", "check", "scikit-learn.yaml")
    account.run("tuner", "run", "scikit-learn.yaml", "--workers", "2")

    best = json.loads(account.run("tuner", "best", "examples/scikit-learn", "--json"))
    status = json.loads(account.run("tuner", "status", "examples/scikit-learn", "--json"))
    assert status["counts"]["fail"] == 0
    assert status["counts"]["complete"] + status["counts"]["pruned"] == TRIALS
    assert 0 < best[0]["objective"] < 0.5


def test_a_pytorch_study_runs_without_tensorflow(account: Account) -> None:
    pip = account.environment / "bin" / "pip"
    mark = account.environment / "torch"
    if not mark.exists() and account.try_run(pip, *INSTALL, TORCH).returncode != 0:
        pytest.skip(f"pip's index here has no {TORCH}; TUNER_TEST_TORCH names another PyTorch")
    mark.touch()

    account.run("tuner", "run", "pytorch.yaml", "--workers", "1")

    best = json.loads(account.run("tuner", "best", "examples/pytorch", "--json"))
    status = json.loads(account.run("tuner", "status", "examples/pytorch", "--json"))
    assert status["counts"]["fail"] == 0
    assert best[0]["objective"] > 0.8
    checkpoints = account.home / ".local" / "share" / "tuner" / "checkpoints" / "examples"
    assert [path.name for path in checkpoints.glob("pytorch/trial_00000/*")] == ["state.pt"]


def test_a_command_runs_without_tensorflow(account: Account) -> None:
    account.run("tuner", "check", "command.yaml")
    account.run("tuner", "run", "command.yaml", "--workers", "1")

    best = json.loads(account.run("tuner", "best", "examples/command", "--json"))
    status = json.loads(account.run("tuner", "status", "examples/command", "--json"))
    assert status["counts"]["fail"] == 0
    assert status["counts"]["complete"] + status["counts"]["pruned"] == TRIALS
    assert best[0]["objective"] > 0.8


def test_a_package_that_the_environment_lacks_is_named_with_what_to_type(account: Account) -> None:
    objective = account.home / "objectives" / "boosting.py"
    objective.write_text(objective.read_text() + "\nimport nobody_has_this\n")

    done = account.try_run(account.environment / "bin" / "tuner", "check", "scikit-learn.yaml")

    assert done.returncode == 2
    typed = rf"{account.environment}/bin/python\S* -m pip install nobody_has_this$"
    assert re.search(typed, done.stdout, re.MULTILINE)
