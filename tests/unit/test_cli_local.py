from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.patience import wait_until
from tuner.cli.commands import board
from tuner.cli.commands.workers import platform_command
from tuner.errors import SetupError
from tuner.local import home
from tuner.local.fleets.fleet import Fleet, worker_env
from tuner.local.process import end_process, python_env
from tuner.local.runs import IdleWatch, LiveRun, live_runs
from tuner.local.service import live_service
from tuner.settings import Settings, load_settings


@pytest.fixture
def settings() -> Settings:
    found = load_settings(os.environ)
    home.make_home(found.home)
    return found


def test_the_token_is_made_once_and_only_its_owner_reads_it(settings: Settings) -> None:
    token = home.make_token(settings)

    assert home.make_token(settings) == home.read_token(settings) == token
    assert len(token) >= 32
    assert settings.token_path.stat().st_mode & 0o777 == 0o600


def test_a_service_file_of_a_dead_process_means_no_service(settings: Settings) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    info = home.ServiceInfo(
        pid=process.pid,
        url="http://127.0.0.1:9",
        started="2026-01-01T00:00:00+00:00",
        release="0",
        persistent=False,
        redis="none",
    )
    home.write_service(settings, info)

    assert home.read_service(settings) == info
    assert home.running_service(settings) is None
    assert live_service(settings) is None


def test_a_number_that_passed_on_to_another_process_is_no_service(settings: Settings) -> None:
    info = home.ServiceInfo(
        pid=os.getppid(),
        url="http://127.0.0.1:9",
        started="",
        release="",
        persistent=True,
        redis="",
    )
    home.write_service(settings, info)

    assert home.running_service(settings) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"more": 1}'])
def test_a_damaged_service_file_means_no_service(settings: Settings, text: str) -> None:
    settings.service_path.write_text(text)

    assert home.read_service(settings) is None


def _hold_run(settings: Settings, ready: multiprocessing.synchronize.Event) -> None:
    LiveRun(settings).register("demo/other")
    ready.set()
    time.sleep(60)


def test_a_killed_run_counts_no_longer(settings: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=_hold_run, args=(settings, ready))
    other.start()
    ready.wait(30)
    mine = LiveRun(settings)
    mine.register("demo/mine")

    assert live_runs(settings) == {os.getpid(): "demo/mine", other.pid: "demo/other"}
    with mine.leave() as last:
        assert not last
    other.kill()
    other.join()
    assert live_runs(settings) == {}
    mine.register("demo/mine")
    with mine.leave() as last:
        assert last


def test_a_service_without_runs_is_kept_for_a_while_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuner.local.runs.UNUSED_S", 0.2)
    keeper = IdleWatch(settings)
    run = LiveRun(settings)
    run.register("demo/toy")

    assert keeper.is_used()
    with run.leave():
        # The run that leaves ends the service itself; the service must not wait for it.
        assert keeper.is_used()
    assert keeper.is_used()
    wait_until(lambda: not keeper.is_used(), "it is not kept for ever", seconds=10)


def test_a_token_never_reaches_a_worker_by_a_variable_that_its_trials_would_inherit(
    settings: Settings,
) -> None:
    given = {"PATH": "/bin", "TUNER_DATABASE_URL": "postgresql://u:secret@h/d"}
    env = worker_env(settings, given, "http://127.0.0.1:1")

    assert env["TUNER_TOKEN_FILE"] == str(settings.token_path)
    assert "TUNER_TOKEN" not in env
    assert "TUNER_DATABASE_URL" not in env
    assert env["PATH"] == "/bin"


def test_a_fleet_that_is_not_up_has_no_state(settings: Settings) -> None:
    fleet = Fleet(settings, "host")
    assert fleet.state() is None
    fleet.scale(3)

    assert fleet.state() is None
    home.write_json(
        settings.home / "fleets" / "host.json.state",
        {"pid": os.getpid(), "count": 3, "host": "h", "workers": []},
    )
    assert fleet.state() is None, "this process is no supervisor"


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()

        assert not end_process(process.pid, grace_s=0.3)
        assert process.wait() == -signal.SIGKILL


def test_started_processes_find_the_same_modules_in_any_folder(tmp_path: Path) -> None:
    env = python_env({"PYTHONPATH": f"relative{os.pathsep}{tmp_path}"})

    assert env["PYTHONPATH"].split(os.pathsep)[:2] == [str(Path.cwd() / "relative"), str(tmp_path)]


def test_board_takes_the_next_free_port_but_insists_on_a_given_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(board, "FIRST_PORT", port)

        assert board._free_port(None) > port
        with pytest.raises(SetupError, match=f"--port {port} is taken"):
            board._free_port(port)


def test_where_a_platform_owns_the_workers_its_command_is_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    here = load_settings({})
    elsewhere = {"TUNER_API_URL": "http://tuner:8000"}
    # As the image of the workers says.
    there = load_settings({**elsewhere, "TUNER_HOME": "/tmp/tuner"})  # noqa: S108

    assert platform_command(here, 4) is None
    assert platform_command(load_settings(elsewhere), 4) is None, "somebody's own container"
    assert platform_command(there, 4) == "kubectl scale deployment/tuner-worker --replicas=4"
