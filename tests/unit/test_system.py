"""What other systems than Linux are told, and what works there all the same.

There is no Mac here: Python is told that it runs on one, and what macOS lacks is taken away.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from tuner.errors import SetupError
from tuner.runtime.system import pip_install, require_linux

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "search_spaces" / "examples" / "quadratic.yaml"
ROWS = "rate,accuracy\n" + "\n".join(f"0.0{n},0.9{n}" for n in range(1, 10)) + "\n"
COMMANDS = {
    "run": ["run", str(SPEC)],
    "serve": ["serve"],
    "workers": ["workers", "up"],
    "submit": ["submit", str(SPEC)],
    "check": ["check", str(SPEC)],
    "list": ["list"],
    "add": ["history", "add", "notes.csv", "--metric", "accuracy", "--goal", "max"],
    "history": ["history", "list"],
}
#: Runs each command in a fork, so that the libraries are imported once.
MAC = """
    import ctypes, json, os, pathlib, signal, sys
    # These would look for parts of macOS when they are imported.
    import asyncio, multiprocessing, subprocess, tempfile, urllib.request
    import click, httpx, optuna, rich, sqlalchemy, typer

    del os.pidfd_open, os.sched_getaffinity, signal.pidfd_send_signal
    read = pathlib.Path.read_bytes

    class Library:
        def __init__(self, *arguments, **options): pass

    def read_bytes(path):
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(2, "No such file", str(path))
        return read(path)

    ctypes.CDLL = Library
    pathlib.Path.read_bytes = read_bytes
    sys.platform = "darwin"

    def call(name, function):
        pid = os.fork()
        if pid:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        for fd, kind in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{kind}", os.O_WRONLY | os.O_CREAT, 0o600), fd)
        code = 1
        try:
            function()
            code = 0
        except SystemExit as exc:
            code = exc.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def command(arguments):
        from tuner.cli.main import main
        main(arguments)

    def worker():
        from workers.__main__ import main
        sys.exit(main(["run", "--name", "w"]))

    def script():
        sys.path.insert(0, sys.argv[2])
        from objectives.quadratic import descend
        from tuner import BayesianSampler
        from workers import Run

        def objective(trial):
            x = trial.suggest_float("start.x", -4, 4)
            return descend(Run.local({"start.x": x, "start.y": 1.0, "descent.rate": 0.01}))

        study = optuna.create_study(sampler=BayesianSampler(seed=1))
        study.optimize(objective, n_trials=4)
        print(len(study.trials))

    codes = {}
    for name, arguments in json.loads(sys.argv[1]).items():
        codes[name] = call(name, lambda: command(arguments))
        if name == "submit":
            print("home", os.path.exists("home"))
    codes["worker"] = call("worker", worker)
    codes["script"] = call("script", script)
    print(json.dumps(codes))
"""


@dataclass(frozen=True, kw_only=True)
class Mac:
    """What commands left there: exit codes, and their output in files of the folder."""

    folder: Path
    codes: dict[str, int]
    #: Whether a home was there after the commands that must not start anything.
    had_home: bool

    def out(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text()

    def err(self, name: str) -> str:
        return (self.folder / f"{name}.err").read_text()


@pytest.fixture(scope="module")
def mac(tmp_path_factory: pytest.TempPathFactory) -> Mac:
    folder = tmp_path_factory.mktemp("mac")
    (folder / "notes.csv").write_text(ROWS)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TUNER_")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MAC), json.dumps(COMMANDS), str(SPEC.parent)],
        cwd=folder,
        env={**kept, "TUNER_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    home, codes = done.stdout.splitlines()
    return Mac(folder=folder, codes=json.loads(codes), had_home=home == "home True")


@pytest.mark.parametrize(
    ("platform", "name"), [("darwin", "macOS"), ("win32", "Windows"), ("freebsd14", "freebsd14")]
)
def test_what_needs_linux_says_so_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, platform: str, name: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)

    with pytest.raises(SetupError) as refused:
        require_linux("tuner run")

    assert str(refused.value).startswith(f"tuner run needs Linux, and this is {name}: ")
    assert "TUNER_API_URL" in str(refused.value)


def test_nothing_is_said_on_linux(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    require_linux("tuner run")

    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run", "serve", "workers", "submit", "worker"])
def test_what_would_start_something_on_a_mac_ends_with_one_sentence(mac: Mac, name: str) -> None:
    assert mac.codes[name] == 2
    assert "needs Linux, and this is macOS" in mac.err(name)
    assert len(mac.err(name).splitlines()) == 1, mac.err(name)
    assert not mac.had_home


@pytest.mark.slow
def test_a_spec_is_checked_on_a_mac_without_the_trial(mac: Mac) -> None:
    assert mac.codes["check"] == 0, mac.err("check")
    assert "examples/quadratic" in mac.out("check")
    assert "no trial was run" in mac.out("check")


@pytest.mark.slow
def test_an_objective_and_the_sampler_run_on_a_mac(mac: Mac) -> None:
    assert mac.codes["script"] == 0, mac.err("script")
    assert mac.out("script").splitlines()[-1] == "4"


@pytest.mark.slow
def test_studies_are_listed_and_history_is_imported_on_a_mac(mac: Mac) -> None:
    assert [mac.codes[name] for name in ("list", "add", "history")] == [0, 0, 0], mac.err("add")
    assert "9 imported" in mac.out("add")
    assert "notes-csv" in mac.out("history")


def test_the_command_that_installs_a_package_is_for_this_python() -> None:
    command = shlex.split(pip_install("scikit-learn", "psycopg[binary]"))

    assert sys.executable in command
    assert command[-2:] == ["scikit-learn", "psycopg[binary]"]
