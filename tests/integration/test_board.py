"""`python -m tuner.board`: a TensorBoard that bad files do not stop, confined and kept alive."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.board.event_files import write_run
from tests.support.board.tensorboard_api import TensorBoard
from tests.support.patience import clock, wait_end
from tuner.board.landlock import landlock_abi
from tuner.roots import Place
from tuner.tfevents import write_json
from tuner.tfevents.framing import masked_crc

pytestmark = pytest.mark.slow

Answer = TypeVar("Answer")
STUDY = "project/study"
SECRET = "a-secret-of-the-user"


class Shown:
    """A board that runs; made by the fixture."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.board = TensorBoard(f"http://127.0.0.1:{port}", process.pid)

    def wait(self, ask: Callable[[], Answer], is_right: Callable[[Answer], bool]) -> Answer:
        """Return the first right answer; meanwhile the board may be on its way."""
        deadline = clock() + 60
        while True:
            try:
                answer = ask()
                said: object = answer
                if is_right(answer):
                    return answer
            except (OSError, ValueError) as exc:
                said = exc
            assert clock() < deadline, f"still {said}"
            assert self.process.poll() is None
            time.sleep(0.1)

    def processes(self) -> dict[str, int]:
        """Return TensorBoard and its data server by name."""
        (launcher,) = _children(self.process.pid)
        (server,) = _children(launcher)
        return {"launcher": launcher, "server": server}


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "logs" / STUDY
    write_run(folder / "trial_00001")
    return folder


@pytest.fixture
def shown(study: Path) -> Iterator[Shown]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root = study.parent.parent
    command = [sys.executable, "-P", "-m", "tuner.board", str(root), STUDY, "--port", str(port)]
    environ = {**os.environ, "TUNER_TOKEN": SECRET, "WANDB_API_KEY": SECRET}
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        yield Shown(process, port)
    finally:
        process.terminate()
        process.communicate()


def test_bad_files_hide_no_other_run_and_new_runs_come(study: Path, shown: Shown) -> None:
    bad = study / "trial_00002"
    bad.mkdir()
    os.mkfifo(bad / "a.tfevents.1")
    (bad / "b.tfevents.1").symlink_to("/dev/zero")
    length = (1 << 62).to_bytes(8, "little")
    (bad / "c.tfevents.1").write_bytes(length + masked_crc(length).to_bytes(4, "little"))
    with (bad / "d.tfevents.1").open("wb") as file:
        file.truncate(3 << 30)
    (study / "trial_00003").symlink_to(".")

    shown.wait(shown.board.runs, lambda runs: runs == ["trial_00001"])
    write_run(study / "trial_00004")
    shown.wait(shown.board.runs, lambda runs: runs == ["trial_00001", "trial_00004"])
    curve = shown.wait(lambda: shown.board.scalars("trial_00004", "loss"), bool)
    plugins = shown.board.plugins()

    assert curve == [(1, 1.0), (2, 0.5)]
    assert "projector" not in plugins
    assert {"hparams", "scalars", "timeseries"} <= set(plugins)


def test_its_processes_know_no_secret_and_are_started_again(shown: Shown) -> None:
    shown.wait(shown.board.runs, lambda runs: runs == ["trial_00001"])
    first = shown.processes()
    for pid in first.values():
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        confined = "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
        assert confined is (landlock_abi() > 0)

    os.kill(first["server"], signal.SIGKILL)
    shown.wait(shown.processes, lambda found: found["launcher"] != first["launcher"])
    shown.wait(shown.board.runs, lambda runs: runs == ["trial_00001"])
    second = shown.processes()
    shown.process.terminate()

    assert wait_end(shown.process, 20) == 0
    deadline = clock() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in second.values()):
        assert clock() < deadline, second
        time.sleep(0.05)


def test_the_report_is_a_file_of_the_same_trials_also_where_the_view_is_of_links(
    study: Path, shown: Shown
) -> None:
    record = {"version": 1, "study": STUDY, "trial": 2, "attempt": 1, "outcome": "COMPLETE"}
    result = {"is_outcome": True, "objective": 0.75, "params": {"rate": 0.125}}
    write_json(Place(study / "trial_00002"), "trial.json", {**record, **result})
    metrics = [{"name": "score", "goal": "maximize"}]
    write_json(Place(study / "_study"), "study.json", {"study": STUDY, "metrics": metrics})
    base = f"{shown.board.url}/data/plugin/best_trials"
    shown.wait(
        lambda: shown.board._get("/data/plugin/best_trials/studies")["studies"],
        lambda studies: any(one["study"] == STUDY and one["best"] for one in studies),
    )
    with urllib.request.urlopen(f"{base}/report?study={STUDY}") as answer:  # noqa: S310 - ours
        page, headers = answer.read().decode(), answer.headers
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{base}/report?study=nobody")  # noqa: S310 - ours

    assert headers["Content-Disposition"] == 'attachment; filename="project-study.html"'
    assert headers["Content-Type"].startswith("text/html")
    assert "0.75" in page
    assert "rate" in page
