"""A real study with every kind of ending: TensorBoard shows exactly what the database says."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.agreement import assert_tensorboard_agrees
from tests.acceptance.home import Home, open_home

pytestmark = pytest.mark.slow

STUDY = "endings/all"
#: What the first trials do, in order; the sampler chooses the rest of their configurations.
KINDS = [
    "complete", "prune", "raise", "nan", "kill", "timeout", "cancel", "late_nan", "complete",
]  # fmt: skip
OBJECTIVE = """
    import os
    import time
    from workers import Run


    def end(run: Run) -> float:
        kind, x = run.params["kind"], run.params["x"]
        print("this trial is to", kind)
        if kind == "kill" and run.attempt == 1:
            run.report(1, x, loss=1.0)
            (run.logdir / "pid").write_text(str(os.getpid()))
            time.sleep(60)
        if kind in ("timeout", "cancel"):
            for step in range(1, 1000):
                run.report(step, x + step)
                time.sleep(0.1)
        if kind == "prune":
            for step in range(1, 100):
                run.report(step, x - step, loss=float(step))
                time.sleep(0.3)
        for step in range(1, 4):
            run.report(step, x * step, loss=1.0 / step)
        if kind == "raise":
            raise RuntimeError("the data are gone")
        if kind == "late_nan":
            run.report(4, float("nan"))
        if "nan" in kind:
            return float("nan")
        return x * 3 + run.params.get("momentum", 0.0) / 7
"""
SPEC = """
    project: endings
    study: all
    objective: objectives:end
    metric: {{name: score, goal: maximize}}
    search_space:
      kind: {{type: categorical, values: [{kinds}]}}
      x: {{type: float, low: 1.0, high: 2.0}}
      layers: {{type: int, low: 1, high: 4}}
      batch: {{type: ordinal, values: [16, 32, 64]}}
      norm: {{type: bool}}
      momentum: {{type: float, low: 0.1, high: 0.9, when: {{norm: [true]}}}}
      activation: {{type: fixed, value: relu}}
    start_with: [{start}]
    sampler: {{name: random, seed: 11}}
    pruner: {{name: patient, patience: 1}}
    budget: {{trials: {trials}}}
    trial: {{timeout: 6s}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with open_home(tmp_path_factory.mktemp("endings")) as home:
        home.write("objectives.py", OBJECTIVE)
        norms = [f"{{kind: {kind}, x: {1 + i / 10}}}" for i, kind in enumerate(KINDS)]
        spec = SPEC.format(
            kinds=", ".join(sorted(set(KINDS))), start=", ".join(norms), trials=len(KINDS)
        )
        home.write("spec.yaml", spec)
        with home.process("run", "spec.yaml", "-n", "2") as run:
            (pid,) = home.wait(lambda: list(home.logs.glob(f"{STUDY}/trial_00004-*/pid")))
            number = home.wait(pid.read_text)
            os.kill(int(number), signal.SIGKILL)
            cancelled = KINDS.index("cancel")
            home.wait_status(STUDY, lambda _status: is_running(home, cancelled))
            home.ok("cancel", STUDY, cancelled)
            assert run.wait(120) == 0, run.text
        yield home


def is_running(home: Home, trial: int) -> bool:
    row = home.ask("show", STUDY, trial)
    return row is not None and bool(row["reports"])


@pytest.fixture(scope="module")
def trials(home: Home) -> dict[str, Any]:
    """What `tuner show` says of each trial, by its kind, after TensorBoard has agreed."""
    details = assert_tensorboard_agrees(home, STUDY)
    return {f"{detail['params']['kind']} {number}": detail for number, detail in details.items()}


def test_every_trial_ended_as_it_was_to(trials: dict[str, Any]) -> None:
    endings = {name: (row["state"], row["cause"]) for name, row in trials.items()}

    assert endings == {
        "complete 0": ("COMPLETE", None),
        "prune 1": ("PRUNED", None),
        "raise 2": ("FAIL", "error"),
        "nan 3": ("FAIL", "diverged"),
        "kill 4": ("COMPLETE", None),
        "timeout 5": ("FAIL", "timeout"),
        "cancel 6": ("FAIL", "cancelled"),
        "late_nan 7": ("FAIL", "diverged"),
        "complete 8": ("COMPLETE", None),
    }


def test_only_the_killed_trial_ran_twice(trials: dict[str, Any]) -> None:
    assert {name: row["attempts"] for name, row in trials.items() if row["attempts"] != 1} == {
        "kill 4": 2
    }
    first, second = trials["kill 4"]["attempt_list"]
    assert (first["state"], first["cause"]) == ("failed", "lost")
    assert "SIGKILL" in first["error"]
    assert (second["state"], second["cause"]) == ("done", None)


def test_a_pruned_trial_keeps_its_last_report(trials: dict[str, Any]) -> None:
    pruned = trials["prune 1"]

    assert pruned["objective"] == pruned["reports"][-1]["value"]
    assert len(pruned["reports"]) < 20


def test_conditional_parameters_stand_only_where_they_were_used(trials: dict[str, Any]) -> None:
    norms = {row["params"]["norm"] for row in trials.values()}

    assert norms == {True, False}
    for row in trials.values():
        assert ("momentum" in row["params"]) == row["params"]["norm"]


def test_every_attempt_left_its_files(home: Home, trials: dict[str, Any]) -> None:
    for row in trials.values():
        for attempt in row["attempt_list"]:
            folder = home.logs / attempt["run_dir"]
            assert (folder / "config.json").is_file(), attempt
            assert (folder / "trial.json").is_file(), attempt
            assert "this trial is to" in (folder / "output.log").read_text()


def test_the_output_of_a_trial_is_shown(home: Home) -> None:
    assert home.ok("logs", STUDY, 2).out == "this trial is to raise\n"
