"""`tuner workers autoscale` on a real home: workers come with the demand and go without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import clock, hold, wait_end

pytestmark = pytest.mark.usefixtures("redis_binary")

#: A trial ends when the file `go` lies beside its code's logs, or at once where `seconds` is 0.
OBJECTIVE = """
import os
import time
from workers import Run


def train(run: Run) -> float:
    time.sleep(run.params["seconds"])
    return run.params["x"]


def waits(run: Run) -> float:
    while not os.path.exists(os.environ["TOY_GO"]):
        run.report(int(time.monotonic() * 1000) % 10_000_000 + 1, 0.0)
        time.sleep(0.1)
    return 1.0
"""
SPEC = """
project: demo
study: {study}
objective: toy:{objective}
metric: {{name: score, goal: maximize}}
search_space:
  x: {{type: float, low: 0.0, high: 1.0}}
  seconds: {{type: fixed, value: {seconds}}}
sampler: {{name: random, seed: 1}}
budget: {{trials: {trials}}}
parallel: 2
"""
PATIENCE_S = 90.0


class Scaler:
    """The command, and the lines that it has printed."""

    def __init__(self, log: Path, *options: str, **environ: str) -> None:
        self._log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tuner", "workers", "autoscale", "--json", *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **environ},
            )

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        lines = [line for line in self._log.read_text().splitlines() if line.startswith("{")]
        found = [json.loads(line) for line in lines]
        return [line for line in found if event in ("", line["event"])]

    def wait(self, holds: Callable[[], Any], what: str) -> Any:
        deadline = clock() + PATIENCE_S
        while not (found := holds()):
            assert clock() < deadline, f"{what}: {self._log.read_text()}"
            assert self.process.poll() is None, f"{what}: it has ended: {self._log.read_text()}"
            time.sleep(0.1)
        return found

    def wait_count(self, count: int) -> dict[str, Any]:
        """Return the change after which there are so many workers."""

        def last() -> Any:
            changes = self.lines("scaled")
            return changes[-1] if changes and changes[-1]["after"] == count else None

        found: dict[str, Any] = self.wait(last, f"never {count} workers")
        return found

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return wait_end(self.process, PATIENCE_S)


def tuner(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuner", *args], capture_output=True, text=True, check=False
    )


def tuner_json(*args: str) -> Any:
    done = tuner(*args, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def submit(tmp_path: Path) -> Callable[..., str]:
    """Submits a study; gives its name."""
    (tmp_path / "toy.py").write_text(OBJECTIVE)

    def submit(study: str, objective: str = "train", trials: int = 4, seconds: float = 0.1) -> str:
        spec = tmp_path / f"{study}.yaml"
        facts = {"objective": objective, "trials": trials, "seconds": seconds}
        spec.write_text(SPEC.format(study=study, **facts))
        done = tuner("submit", str(spec))
        assert done.returncode == 0, done.stderr
        return f"demo/{study}"

    return submit


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Scaler]]:
    """Starts the command; what it has started is gone at the end."""
    started: list[Scaler] = []

    def start(*options: str, **environ: str) -> Scaler:
        started.append(Scaler(tmp_path / f"scaler-{len(started)}.log", *options, **environ))
        return started[-1]

    yield start
    for scaler in started:
        if scaler.process.poll() is None:
            scaler.process.kill()
            scaler.process.wait()
    tuner("down")


def states(study: str) -> list[str]:
    return [attempt["state"] for attempt in attempts(study)]


def attempts(study: str) -> list[dict[str, Any]]:
    rows = tuner_json("best", study, "--all", "-n", "100")
    shown = [tuner_json("show", study, str(row["trial"])) for row in rows]
    return [attempt for trial in shown for attempt in trial["attempt_list"]]


@pytest.mark.slow
def test_workers_come_with_a_study_and_go_with_it_and_the_server_may_be_killed_meanwhile(
    start: Callable[..., Scaler], submit: Callable[..., str]
) -> None:
    scaler = start("--max=3", "--cooldown=2")
    scaler.wait(lambda: scaler.lines("started"), "it has not started")
    assert tuner_json("workers", "list") == []

    study = submit("first")
    grown = scaler.wait_count(2)
    assert "demo/first: 2 can be proposed (parallel: 2)" in grown["reason"]
    gone = scaler.wait_count(0)
    assert tuner_json("status", study)["state"] == "finished"
    assert gone["wanted"] == 0
    assert "too many here for 2 s" in gone["reason"]
    assert [a["state"] for a in attempts(study)] == ["done"] * 4, "no trial was disturbed"

    service = json.loads((Path(os.environ["TUNER_HOME"]) / "service.json").read_text())
    os.kill(service["pid"], signal.SIGKILL)
    scaler.wait(lambda: scaler.lines("note"), "it does not notice")
    again = submit("second")
    scaler.wait_count(2)
    scaler.wait_count(0)
    assert tuner_json("status", again)["state"] == "finished"
    assert scaler.end() == 0
    assert [w for w in tuner_json("workers", "list") if w["state"] != "stopping"] == []


@pytest.mark.slow
def test_a_busy_worker_ends_its_trial_whatever_is_wanted_and_at_the_end_too(
    start: Callable[..., Scaler], submit: Callable[..., str], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    scaler = start("--max=2", "--cooldown=1", TOY_GO=str(go))
    study = submit("long", objective="waits", trials=2)
    scaler.wait_count(2)
    scaler.wait(lambda: tuner_json("status", study)["workers"] == 2, "both run")
    second = start("--max=1")
    assert wait_end(second.process, PATIENCE_S) == 2
    said = (tmp_path / "scaler-1.log").read_text()
    assert f"already runs for this home (pid {scaler.process.pid})" in said

    # Nothing more is wanted than what runs, and for long.
    tuner("pause", study)
    hold(lambda: tuner_json("status", study)["workers"] == 2, "both go on", seconds=4)
    scaler.process.send_signal(signal.SIGINT)
    scaler.wait(lambda: scaler.lines("draining"), "it does not drain")
    assert scaler.lines("draining")[0]["busy"] == 2
    hold(lambda: scaler.process.poll() is None, "it waits for its workers", seconds=2)
    go.touch()

    assert wait_end(scaler.process, PATIENCE_S) == 0
    assert [(a["attempt"], a["state"]) for a in attempts(study)] == [(1, "done")] * 2
