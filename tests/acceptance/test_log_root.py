"""A log root that cannot be written, while a real study runs: it waits, and loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.home import Home, open_home
from tests.support.patience import hold

TRIALS = 8
STUDY = "storage/steps"
OBJECTIVE = """
    import time
    from workers import Run


    def climb(run: Run) -> float:
        for step in range(1, 5):
            time.sleep(0.1)
            run.report(step, run.params["x"] * step)
        return run.params["x"]
"""
SPEC = f"""
    project: storage
    study: steps
    objective: objectives:climb
    metric: {{name: score, goal: maximize}}
    search_space:
      x: {{type: float, low: 0.0, high: 1.0}}
    sampler: {{name: random, seed: 3}}
    budget: {{trials: {TRIALS}}}
    parallel: 1
"""


class FullDisk:
    """A log root on a small file system, which a large file fills."""

    said = ("is full", "No space left on device")

    def __init__(self, folder: Path) -> None:
        self._mount = folder / "disk"
        self._mount.mkdir()
        self.root = self._mount / "logs"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=40m", "none", self._mount],
            check=True,
            capture_output=True,
        )

    def block(self) -> None:
        file = os.open(self._mount / "filler", os.O_WRONLY | os.O_CREAT)
        free = os.statvfs(self._mount)
        os.posix_fallocate(file, 0, free.f_bavail * free.f_frsize - 65536)
        os.close(file)

    def free(self) -> None:
        (self._mount / "filler").unlink()

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", self._mount], check=True)


class FileInPlace:
    """A log root that is moved away, with a file where it was."""

    said = ("cannot be written",)

    def __init__(self, folder: Path) -> None:
        self.root = folder / "logs"
        self._away = folder / "logs.away"

    def block(self) -> None:
        self.root.rename(self._away)
        self.root.touch()

    def free(self) -> None:
        self.root.unlink()
        self._away.rename(self.root)

    def close(self) -> None:
        pass


class ReadOnly(FileInPlace):
    """A log root without the right to write, for users that are not root."""

    def block(self) -> None:
        for folder in (self.root, *(path for path in self.root.rglob("*") if path.is_dir())):
            folder.chmod(0o500)

    def free(self) -> None:
        self.root.chmod(0o700)
        for folder in self.root.rglob("*"):
            if folder.is_dir():
                folder.chmod(0o700)


Obstacle = FullDisk | FileInPlace


@pytest.fixture(params=[FullDisk, ReadOnly, pytest.param(FileInPlace, marks=pytest.mark.slow)])
def obstacle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Obstacle]:
    if request.param is ReadOnly and os.geteuid() == 0:
        pytest.skip("root may write everywhere; the full disk and the file stand for it")
    try:
        obstacle: Obstacle = request.param(tmp_path)
    except (OSError, subprocess.CalledProcessError) as exc:
        pytest.skip(f"a small file system cannot be mounted here (needs root): {exc}")
    yield obstacle
    obstacle.close()


@pytest.fixture
def home(tmp_path: Path, obstacle: Obstacle) -> Iterator[Home]:
    with open_home(tmp_path, TUNER_LOG_ROOT=str(obstacle.root)) as home:
        home.write("objectives.py", OBJECTIVE)
        home.write("spec.yaml", SPEC)
        yield home


@pytest.mark.slow
def test_a_study_waits_for_its_log_root_says_why_and_loses_nothing(
    home: Home, obstacle: Obstacle
) -> None:
    with home.process("run", "spec.yaml", "-n", "1") as run:
        run.wait_for("trial 1")
        obstacle.block()
        waiting = home.wait_status(STUDY, lambda status: status["reason"] != "")
        assert waiting["state"] == "running"
        assert any(said in waiting["reason"] for said in obstacle.said)
        assert str(obstacle.root) in waiting["reason"]
        run.wait_for(str(obstacle.root), timeout_s=10)

        counts = home.wait_status(STUDY, lambda status: status["counts"]["running"] == 0)["counts"]
        hold(lambda: home.json("status", STUDY)["counts"] == counts, "none starts", seconds=3)
        status = home.json("status", STUDY)
        # The words may change while the disk fills up: from "no space" to "under 16 MB are left".
        assert status["counts"] == counts
        assert any(said in status["reason"] for said in obstacle.said)
        finished = {row["trial"]: row["objective"] for row in home.json("best", STUDY)}
        assert len(finished) == counts["complete"] < TRIALS

        obstacle.free()
        assert run.wait(120) == 0, run.text

    assert home.json("status", STUDY)["state"] == "finished"
    rows = home.json("best", STUDY, "--all")
    assert len(rows) == TRIALS
    assert {row["trial"]: row["objective"] for row in rows}.items() >= finished.items()
    for row in rows:
        folder = home.logs / row["run_dir"]
        record = json.loads((folder / "trial.json").read_text())
        assert record["objective"] == row["objective"]
        assert [step for step, _, _ in record["curve"]] == [1, 2, 3, 4]
        assert json.loads((folder / "config.json").read_text())["params"] == row["params"]
        assert list(folder.glob("events.out.tfevents.*"))
    texts = [event["text"] for event in home.json("events", STUDY)]
    assert any(text.startswith("no trial starts: ") for text in texts)
    assert "trials start again" in texts, texts


@pytest.mark.slow
def test_a_log_root_that_cannot_be_made_is_said_from_the_start(tmp_path: Path) -> None:
    root = tmp_path / "logs"
    root.touch()
    with open_home(tmp_path, TUNER_LOG_ROOT=str(root)) as home:
        home.write("objectives.py", OBJECTIVE)
        home.write("spec.yaml", SPEC)

        with home.process("run", "spec.yaml", "-n", "1") as run:
            said = run.wait_for("cannot be written")
            root.unlink()
            assert run.wait(120) == 0, run.text

        assert str(root) in said.partition("service ")[2]
        assert home.json("status", STUDY)["counts"]["complete"] == TRIALS
