"""States of the machine and of other people's commands, met by real processes: a sentence each."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.home import CLIMB, CLIMBER, Home, open_home

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path) as home:
        home.write("objectives.py", CLIMBER)
        write_spec(home)
        yield home


def write_spec(home: Home, *, trials: int = 3, steps: int = 3, more: str = "") -> None:
    text = CLIMB.format(project="demo", study="hill", trials=trials, steps=steps)
    home.write("hill.yaml", text + more)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB, which a database does not fit into."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root and the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("filled", [False, True], ids=["fills up", "full"])
def test_a_home_on_a_full_disk_is_said(home: Home, small_disk: Path, filled: bool) -> None:
    place = {"TUNER_HOME": str(small_disk / "home")}
    if filled:
        (small_disk / "home").mkdir()
        with contextlib.suppress(OSError):
            (small_disk / "filler").write_bytes(bytes(1 << 20))

    for command in (["run", "hill.yaml"], ["submit", "hill.yaml"], ["db", "upgrade"]):
        done = home.run(*command, **place)
        assert done.code == 1, done
        assert "Traceback" not in done.text
        assert "full" in done.err or "no space is left" in done.err, done
        assert str(small_disk / "home") in done.err
        assert len(done.err.strip().splitlines()) <= 2


@pytest.mark.parametrize("command", ["list", "status", "run hill.yaml", "serve", "db upgrade"])
def test_a_home_that_is_a_file_is_said(home: Home, command: str) -> None:
    home.path.write_text("")

    done = home.run(*command.split())

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"tuner: TUNER_HOME={home.path}: is a file; set TUNER_HOME to a folder that you can write\n"
    )


def test_a_relative_home_is_said_in_full(home: Home) -> None:
    done = home.ok("list", TUNER_HOME="some/folder")

    assert f"no studies yet in {home.work}/some/folder" in done.err


def test_the_url_of_a_server_may_hold_the_path_of_its_api_and_no_other(home: Home) -> None:
    home.ok("submit", "hill.yaml")
    url = home.json_file("service.json")["url"]
    token = {"TUNER_TOKEN_FILE": str(home.path / "token"), "TUNER_HOME": str(home.work / "other")}

    for right in (url, f"{url}/v1", f"{url}/v1/"):
        assert "demo/hill" in home.ok("list", TUNER_API_URL=right, **token).out
    for wrong in (f"{url}/tuner", f"{url}/v1/studies"):
        for command in (["list"], ["submit", "hill.yaml"], ["status"], ["workers", "list"]):
            done = home.run(*command, TUNER_API_URL=wrong, **token)
            assert done.code == 2, done
            assert f"{wrong}: something answers there that is not a Tuner server" in done.err


def test_workers_that_are_killed_are_started_again_by_their_run(home: Home) -> None:
    write_spec(home, trials=6, steps=5)
    with home.process("run", "hill.yaml", "-n", "1") as run:
        run.wait_for("trial 0")
        for pid, command in home.processes().items():
            if "workers fleet" in command:
                os.kill(pid, signal.SIGKILL)
        run.wait_for("the workers have died; they are started again")
        assert run.wait() == 0, run.text
    assert home.json("status")["counts"]["complete"] == 6
    assert home.processes() == {}


def test_a_study_that_runs_is_deleted_with_a_word_on_both_sides(home: Home) -> None:
    write_spec(home, trials=100, steps=50)
    with home.process("run", "hill.yaml", "-n", "1") as run:
        home.wait_status("demo/hill", lambda status: status["counts"]["running"] == 1)
        refused = home.run("delete", "demo/hill")
        assert refused.code == 1
        assert f"1 trial at work and `tuner run` (pid {run.process.pid}) trains it" in refused.err
        assert "nothing was deleted" in refused.err
        done = home.ok("delete", "demo/hill", "--yes")
        assert "demo/hill: deleted while it ran: 1 trial at work and `tuner run`" in done.err
        assert run.wait() == 1, run.text
        assert "demo/hill was deleted while it ran, so its run ends here" in run.text
        assert "tuner run hill.yaml" in run.text
    assert home.processes() == {}


def test_fewer_workers_than_the_spec_allows_are_said(home: Home) -> None:
    write_spec(home, trials=1, steps=1, more="    parallel: 512\n")

    done = home.ok("run", "hill.yaml")

    assert "is 512, but " in done.out
    assert "for 512 at once: tuner run hill.yaml --workers 512" in done.out
    assert "at once" not in home.ok("run", "hill.yaml", "--workers", "1").out


def test_own_workers_are_scaled_where_a_container_names_a_server(home: Home) -> None:
    home.ok("submit", "hill.yaml")
    there = {
        "TUNER_API_URL": home.json_file("service.json")["url"],
        "TUNER_TOKEN_FILE": str(home.path / "token"),
        "TUNER_HOME": str(home.work / "other"),
        # As in any container there: nothing of it is ours.
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    }
    home.ok("workers", "up", "-n", "1", **there)

    done = home.ok("workers", "scale", "2", **there)

    assert done.out == ""
    assert done.err.startswith("1 → 2 workers")
    home.ok("down", **there)


def test_check_warns_of_what_would_disappoint(home: Home) -> None:
    write_spec(home, steps=3)
    path = home.work / "hill.yaml"
    path.write_text(
        path.read_text().replace("low: 0.0", "low: 1.0e-10").replace("high: 1.0", "high: 0.1")
        + "history: [demo/nope]\ntrial: {timeout: 0.01}\n"
    )

    done = home.ok("check", "hill.yaml")

    assert "search_space.x: [1e-10, 0.1]: a linear range over 9 decades" in done.out
    assert "history[0].study: demo/nope: there is no such study with a trial that ended" in done.out
    assert "trial.timeout: 0.0 s: the first report took" in done.out
    assert len(home.json("check", "hill.yaml")["warnings"]) == 3
    path.write_text(path.read_text().replace("0.01", "1h"))
    assert len(home.json("check", "hill.yaml")["warnings"]) == 2
