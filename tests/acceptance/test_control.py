"""Steering a study that runs, as a person does it: mending its code, changing it, scaling it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.home import CLIMB, Home, open_home
from tuner.local.fleets.fleet import HOST, Fleet
from tuner.local.home import running_service
from tuner.security.account import account
from tuner.settings import load_settings

STUDY = "steer/climb"
BROKEN = """
    import time
    from workers import Run


    def climb(run: Run) -> float:
        for step in range(1, int(run.params["steps"]) + 1):
            time.sleep(0.1)
            run.report(step, run.params["x"] * step)
        return run.parms["x"]
"""
MENDED = BROKEN.replace("run.parms", "run.params")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path) as home:
        yield home


def write(home: Home, code: str, *, trials: int, steps: int) -> None:
    home.write("objectives.py", code)
    home.write(
        "climb.yaml", CLIMB.format(project="steer", study="climb", trials=trials, steps=steps)
    )


def read_config(home: Home, run_dir: str) -> Any:
    return json.loads((home.logs / run_dir / "config.json").read_text())


@pytest.mark.slow
def test_a_broken_objective_is_mended_and_its_trials_are_tried_again(home: Home) -> None:
    write(home, BROKEN, trials=4, steps=2)
    ended = home.run("run", "climb.yaml", "--workers", 2, timeout_s=120)
    assert "the first 3 trials failed alike" in ended.text, ended
    failed = home.json("status", STUDY)["counts"]["fail"]
    write(home, MENDED, trials=4, steps=2)
    refused = home.run("submit", "climb.yaml")
    assert refused.code == 2
    assert f"tuner retry {STUDY} --spec climb.yaml" in refused.err
    retried = home.ok("retry", STUDY, "--failed", "--spec", "climb.yaml")
    assert "for trials from now on" in retried.err
    assert "runs again: trial 0, 1, 2" in retried.err
    edited = home.json("edit", STUDY, "budget.trials=6", "priority=2")
    assert [change["key"] for change in edited["changes"]] == ["budget.trials", "priority"]
    write(home, MENDED, trials=6, steps=2)
    done = home.ok("run", "climb.yaml", "--workers", 2, timeout_s=120)

    assert "priority: 2 → 0" in done.out, "a submission brings what its spec says"
    assert "(budget.trials: 6 trials are done)" in done.out
    status = home.json("status", STUDY)
    # One that was proposed before still ran the broken code, which counts.
    assert status["budget"]["used"] == 6
    rows = home.json("best", STUDY, "--all", "-n", 100)
    assert len(rows) == 6 + failed
    codes = {row["trial"]: home.json("show", STUDY, row["trial"])["code"] for row in rows}
    for row in rows:
        ran = read_config(home, row["run_dir"])["code"]["snapshot"]
        assert ran == codes[row["trial"]]
        assert row["state"] == ("FAIL" if ran == codes[0] else "COMPLETE")
    events = home.json("events", STUDY, "-n", 1000)
    actors = {e["kind"]: e["actor"] for e in events}
    assert (actors["study-retry"], actors["study-edited"]) == (account(), account())
    assert f"by {account()}" in home.ok("events", STUDY, "-n", 100).out


def start_fleet(home: Home, count: int) -> None:
    """Do what `tuner workers up` does, without TensorFlow, which takes each worker seconds."""
    settings = load_settings(home.environ)
    service = running_service(settings)
    assert service is not None
    Fleet(settings, HOST).start(
        count,
        environ=home.environ,
        api_url=service.url,
        gpus="none",
        isolation="fork",
        bound=False,
        preimport="none",
    )


@pytest.mark.slow
def test_a_fleet_is_scaled_down_and_up_in_the_middle_of_a_study(home: Home) -> None:
    write(home, MENDED, trials=40, steps=15)
    home.ok("submit", "climb.yaml")
    start_fleet(home, 8)
    home.wait_status(STUDY, lambda status: status["workers"] == 8)
    down = home.ok("workers", "scale", 1)
    home.wait_status(STUDY, lambda status: status["workers"] == 1)
    home.wait(lambda: home.ask("workers"), lambda rows: len(rows or ()) == 1)
    before = home.json("status", STUDY)["counts"]["complete"]
    home.wait_status(STUDY, lambda status: status["counts"]["complete"] > before + 1)
    up = home.ok("workers", "scale", 8)
    home.wait_status(STUDY, lambda status: status["workers"] == 8)
    status = home.wait_status(STUDY, lambda status: status["state"] == "finished", 120)

    assert ("8 → 1 workers" in down.err, "1 → 8 workers" in up.err) == (True, True)
    assert status["counts"] == {"waiting": 0, "running": 0, "complete": 40, "pruned": 0, "fail": 0}
    assert status["budget"]["used"] == 40
    rows = home.json("best", STUDY, "-n", 100)
    assert len({row["params"]["x"] for row in rows}) == 40
    causes = {
        attempt["cause"]
        for row in rows
        if row["attempts"] > 1
        for attempt in home.ask("show", STUDY, row["trial"])["attempt_list"]
    }
    assert causes <= {None, "preempted"}, "who must leave gives its trial back"
    assert "preempted" in causes
