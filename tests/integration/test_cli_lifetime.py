"""The real command line on a real home: what it starts, who joins, and what ends with whom."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.support.patience import clock, read_to_end
from tuner.local.home import is_running

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("redis_binary")]

OBJECTIVE = """
import time
from workers import Run


def train(run: Run) -> float:
    for step in range(1, 6):
        time.sleep(run.params["seconds"] / 5)
        run.report(step, run.params["x"] * step)
        print("step", step, flush=True)
    return run.params["x"]


def broken(run: Run) -> float:
    raise ValueError("the data is missing")
"""
#: Without TensorFlow a run takes seconds; on a busy machine many of them.
PATIENCE_S = 90.0


@pytest.fixture(autouse=True)
def _activated(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an activated environment: what is printed then names `tuner`."""
    folder = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an objective, to hold specs."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "toy.py").write_text(OBJECTIVE)
    return folder


@pytest.fixture
def home() -> Iterator[Path]:
    """The home; whatever still runs there at the end of the test is ended."""
    home = Path(os.environ["TUNER_HOME"])
    yield home
    _tuner("down")
    for pid in _processes(home):
        os.kill(pid, signal.SIGKILL)


def test_a_run_ends_with_its_table_and_leaves_nothing_running(folder: Path, home: Path) -> None:
    spec = _spec(folder, trials=3)
    done = _tuner("run", str(spec), "-n", "2")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("home ")
    for word in ("logs", "checkpoints", "database", "redis", "service", "workers"):
        assert f"\n{word} " in done.stdout
    assert "demo/toy: finished" in done.stdout
    assert "tuner board demo/toy" in done.stdout
    assert _json("status", "demo/toy")["counts"]["complete"] == 3
    assert "step 5" in _tuner("logs", "demo/toy", "0").stdout
    assert [row["attempts"] for row in _json("best", "demo/toy")] == [1, 1, 1]
    assert _processes(home) == []

    again = _tuner("run", str(spec))

    assert again.returncode == 0
    assert "raise budget.trials to continue" in again.stdout
    assert "COMPLETE" in again.stdout
    assert _processes(home) == []


def test_ctrl_c_ends_everything_within_15_s_and_the_same_command_goes_on(
    folder: Path, home: Path
) -> None:
    spec = _spec(folder, trials=4, seconds=1.5)
    run = _start("run", str(spec), "-n", "1")
    _wait_for(lambda: _status()["counts"]["complete"] >= 1)
    began = clock()
    os.kill(run.pid, signal.SIGINT)
    said = read_to_end(run, PATIENCE_S)

    assert run.returncode == 130, said
    assert clock() - began < 15
    assert f"continue with: tuner run {spec}" in said[1]
    assert _processes(home) == []
    assert _json("status", "demo/toy")["state"] == "paused"
    assert _json("status", "demo/toy")["counts"]["fail"] == 0

    done = _tuner("run", str(spec), "-n", "1")

    assert done.returncode == 0, done.stdout + done.stderr
    counts = _json("status", "demo/toy")["counts"]
    assert (counts["complete"], counts["fail"]) == (4, 0)


def test_a_second_ctrl_c_kills_at_once(folder: Path, home: Path) -> None:
    run = _start("run", str(_spec(folder, trials=4, seconds=60)), "-n", "1")
    _wait_for(lambda: _status()["counts"]["running"] >= 1)
    os.kill(run.pid, signal.SIGINT)
    time.sleep(0.2)
    os.kill(run.pid, signal.SIGINT)
    began = clock()
    read_to_end(run, PATIENCE_S)

    assert run.returncode == 130
    assert clock() - began < 5
    _wait_for(lambda: _processes(home) == [], seconds=10)


def test_a_killed_run_takes_its_workers_along(folder: Path, home: Path) -> None:
    run = _start("run", str(_spec(folder, trials=4, seconds=60)), "-n", "1")
    _wait_for(lambda: _status()["counts"]["running"] >= 1)
    workers = [pid for pid in _processes(home) if _is_worker(pid)]
    run.kill()
    run.communicate()

    assert workers
    _wait_for(lambda: [pid for pid in _processes(home) if _is_worker(pid)] == [], seconds=30)


def test_a_second_run_joins_and_the_last_one_ends_the_service(folder: Path, home: Path) -> None:
    first = _start("run", str(_spec(folder, study="first", trials=2, seconds=0.5)), "-n", "1")
    second = _start("run", str(_spec(folder, study="second", trials=2, seconds=0.5)), "-n", "1")
    said = [read_to_end(process, PATIENCE_S)[0] for process in (first, second)]

    assert (first.returncode, second.returncode) == (0, 0), said
    assert sorted("(joined" in text for text in said) == [False, True]
    assert _processes(home) == []


def test_a_service_that_is_killed_is_started_again(folder: Path, home: Path) -> None:
    run = _start("run", str(_spec(folder, trials=3, seconds=1)), "-n", "1")
    _wait_for(lambda: _status()["counts"]["running"] >= 1)
    os.kill(_service(home)["pid"], signal.SIGKILL)
    out, err = read_to_end(run, PATIENCE_S)

    assert run.returncode == 0, out + err
    assert "started again" in out
    assert _json("status", "demo/toy")["counts"]["complete"] == 3


def test_a_study_whose_trials_all_fail_alike_stops_and_shows_why(folder: Path, home: Path) -> None:
    done = _tuner("run", str(_spec(folder, objective="toy:broken", trials=20)), "-n", "1")

    assert done.returncode == 1
    assert "the data is missing" in done.stderr
    assert "paused" in done.stderr
    assert _processes(home) == []


def test_submitted_studies_run_on_until_down(folder: Path, home: Path) -> None:
    spec = _spec(folder, trials=2)
    submitted = _json("submit", str(spec))

    assert submitted == {"study": "demo/toy", "state": "running", "created": True, "changes": []}
    assert _service(home)["persistent"] is True
    assert _tuner("workers", "up", "-n", "1", "--gpus", "none").returncode == 0
    twice = _tuner("workers", "up", "-n", "1", "--gpus", "none")
    assert (twice.returncode, "workers scale" in twice.stderr) == (2, True)
    watched = _tuner("watch", "demo/toy")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert len(_json("workers", "list")) == 1
    assert _tuner("workers", "scale", "2").returncode == 0
    _wait_for(lambda: len(_json("workers", "list")) == 2)
    (spec).write_text(spec.read_text().replace('"trials": 2', '"trials": 4'))
    assert _json("submit", str(spec))["changes"] == [{"key": "budget.trials", "old": 2, "new": 4}]
    assert _tuner("submit", str(spec), "--watch", "--fail-under", "5").returncode == 1

    assert _tuner("down").returncode == 0
    assert _processes(home) == []
    assert _json("status", "demo/toy")["counts"]["complete"] == 4


def test_workers_find_a_service_that_was_killed_and_started_again(folder: Path, home: Path) -> None:
    spec = _spec(folder, trials=1)
    _tuner("submit", str(spec))
    assert _tuner("workers", "up", "-n", "1", "--gpus", "none").returncode == 0
    first = _service(home)
    os.kill(first["pid"], signal.SIGKILL)
    _wait_for(lambda: not is_running(first["pid"]))
    spec.write_text(spec.read_text().replace('"trials": 1', '"trials": 3'))
    watched = _tuner("submit", str(spec), "--watch")

    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert _service(home)["pid"] != first["pid"]
    assert _service(home)["url"] == first["url"]
    assert _json("status", "demo/toy")["counts"]["complete"] == 3


def test_a_port_that_another_program_took_meanwhile_does_not_stop_the_service(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        home.mkdir(parents=True, exist_ok=True)
        (home / "port").write_text(str(taken))
        served = _start("serve")
        _wait_for((home / "service.json").exists)

        assert not _service(home)["url"].endswith(f":{taken}")
        served.terminate()
        assert served.wait(timeout=PATIENCE_S) == 0


def test_python_has_the_same_verbs(folder: Path, home: Path) -> None:
    spec = _spec(folder, trials=2)
    first = tuner.submit(spec)
    again = tuner.submit(str(spec))

    assert (first["created"], again["created"]) == (True, False)
    assert tuner.status("demo/toy")["state"] == "running"
    assert _tuner("workers", "up", "-n", "1", "--gpus", "none").returncode == 0
    *_, last = tuner.watch("demo/toy", interval_s=0.2)
    assert last["state"] == "finished"
    assert [row["state"] for row in tuner.best("demo/toy")] == ["COMPLETE", "COMPLETE"]


def test_a_second_service_is_refused_by_name(home: Path) -> None:
    first = _start("serve")
    _wait_for((home / "service.json").exists)
    second = _tuner("serve")

    assert second.returncode == 2
    assert f"pid {first.pid}" in second.stderr
    assert (home / "token").stat().st_mode & 0o777 == 0o600
    first.send_signal(signal.SIGTERM)
    read_to_end(first, PATIENCE_S)
    assert first.returncode == 0
    assert not (home / "service.json").exists()


@pytest.mark.parametrize("command", ["run", "submit", "serve"])
def test_a_redis_url_without_a_redis_is_said_without_its_password(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("TUNER_REDIS_URL", "redis://:geheim@127.0.0.1:9/0")
    arguments = [] if command == "serve" else [str(_spec(folder, trials=1))]
    done = _tuner(command, *arguments)

    assert done.returncode == 2
    assert "TUNER_REDIS_URL" in done.stderr
    assert "127.0.0.1:9" in done.stderr
    assert "geheim" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert _processes(home) == []


def test_a_port_that_is_taken_is_said(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _tuner("serve", "--port", str(taken.getsockname()[1]))

    assert done.returncode == 2
    assert "cannot listen there" in done.stderr


def test_check_runs_one_trial_up_to_its_first_report(folder: Path, home: Path) -> None:
    fine = _tuner("check", str(_spec(folder, trials=1)), "--json")
    document = json.loads(fine.stdout)

    assert fine.returncode == 0, fine.stdout + fine.stderr
    assert document["trial"]["step"] == 1
    assert document["problems"] == []
    assert not home.exists()


@pytest.mark.parametrize(
    ("objective", "said"),
    [("toy:broken", "the data is missing"), ("toy:absent", "absent"), ("toys:train", "toys")],
)
def test_check_says_what_is_wrong(folder: Path, home: Path, objective: str, said: str) -> None:
    wrong = _tuner("check", str(_spec(folder, objective=objective, trials=1)), "--json")
    document = json.loads(wrong.stdout)

    assert wrong.returncode == 2
    assert not document["ok"]
    assert said in "\n".join(document["problems"])
    assert not home.exists()


def _spec(folder: Path, *, seconds: float = 0.2, **changes: Any) -> Path:
    trials = changes.pop("trials")
    spec = {
        "project": "demo",
        "study": "toy",
        "objective": "toy:train",
        "metric": {"name": "score", "goal": "maximize"},
        "search_space": {
            "x": {"type": "float", "low": 0.0, "high": 1.0},
            "seconds": {"type": "fixed", "value": seconds},
        },
        "sampler": {"name": "random", "seed": 1},
        "budget": {"trials": trials},
        **changes,
    }
    path = folder / f"{spec['study']}.yaml"
    path.write_text(json.dumps(spec, indent=1))
    return path


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tuner", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _tuner(*arguments: str) -> subprocess.CompletedProcess[str]:
    process = _start(*arguments)
    out, err = read_to_end(process, PATIENCE_S)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def _json(*arguments: str) -> Any:
    done = _tuner(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _status() -> Any:
    done = _tuner("status", "demo/toy", "--json")
    nothing = {"counts": {"complete": 0, "running": 0}}
    return json.loads(done.stdout) if done.returncode == 0 else nothing


def _service(home: Path) -> Any:
    return json.loads((home / "service.json").read_text())


def _wait_for(happens: Callable[[], bool], *, seconds: float = PATIENCE_S) -> None:
    deadline = clock() + seconds
    while not happens():
        assert clock() < deadline, f"did not happen within {seconds} s"
        time.sleep(0.1)


def _processes(home: Path) -> list[int]:
    """Processes that work for this home: the service, its Redis, fleets, workers and trials."""
    mine = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        except OSError:
            continue
        if str(home).encode() in words and int(path.name) != os.getpid() and _is_ours(path):
            mine.append(int(path.name))
    return [pid for pid in mine if is_running(pid)]


def _is_ours(path: Path) -> bool:
    command = (path / "cmdline").read_bytes()
    return any(word in command for word in (b"tuner", b"workers", b"redis-server"))


def _is_worker(pid: int) -> bool:
    return b"workers" in Path(f"/proc/{pid}/cmdline").read_bytes()
