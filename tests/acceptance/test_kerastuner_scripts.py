"""KerasTuner scripts on the service of a home: started by them, shared, killed, interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.home import Home, Running, open_home
from tests.support.needed import needs

pytestmark = [pytest.mark.slow, needs("tensorflow")]

#: Runs trials that last as long as the file `slow` is there; says which, with their values.
SCRIPT = """
    import json, pathlib, sys, time
    import keras_tuner, tuner

    class Mine(keras_tuner.Tuner):
        def run_trial(self, trial, *args, **options):
            values = trial.hyperparameters.values
            print("runs", json.dumps([trial.trial_id, values]), flush=True)
            while pathlib.Path(sys.argv[1]).exists():
                time.sleep(0.05)
            return values["x"] ** 2

    space = keras_tuner.HyperParameters()
    space.Float("x", -1.0, 1.0)
    oracle = tuner.keras.ServiceOracle(study="demo/shared", max_trials=4, hyperparameters=space)
    search = Mine(oracle=oracle, directory="projects", project_name="shared")
    search.search(verbose=0)
    best = search.get_best_hyperparameters()[0]
    print("best", json.dumps(best.values), flush=True)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path, TF_CPP_MIN_LOG_LEVEL="3") as home:
        home.write("script.py", SCRIPT)
        yield home


@contextlib.contextmanager
def script(home: Home, *, slow: bool = False) -> Iterator[Running]:
    """Run the script beside the test; with `slow` its trials go on until the file is removed."""
    log = home.work.with_name(f"script-{time.monotonic_ns()}.out")
    mark = home.work / f"slow-{time.monotonic_ns()}"
    if slow:
        mark.touch()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "script.py", str(mark)],
            cwd=home.work,
            env=home.environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def runs(running: Running) -> list[list[Any]]:
    """Return id and values of the trials that a script has begun."""
    lines = running.text.splitlines()
    return [json.loads(line.removeprefix("runs ")) for line in lines if line.startswith("runs ")]


def test_the_trial_of_a_killed_script_is_run_by_another_with_the_same_values(home: Home) -> None:
    with script(home, slow=True) as doomed:
        doomed.wait_for("runs ")
        with script(home) as heir:
            # Both are at work at the same time.
            heir.wait_for("runs ")
            os.killpg(doomed.process.pid, signal.SIGKILL)
            doomed.process.wait()

            assert heir.wait(180) == 0, heir.text

    (lost,) = runs(doomed)
    assert lost in runs(heir)
    rows = home.json("best", "demo/shared")
    assert sorted(row["trial"] for row in rows) == [0, 1, 2, 3]
    best = json.loads(heir.text.splitlines()[-1].removeprefix("best "))
    assert best["x"] == rows[0]["params"]["x"]
    shown = home.json("show", "demo/shared", lost[0])
    assert [attempt["cause"] for attempt in shown["attempt_list"]] == ["lost", None]
    # The service was started by the scripts, and went with the last of them.
    assert home.wait(home.processes, lambda found: not found) == {}


def test_an_interrupted_script_gives_its_trial_back_and_is_gone_on_with(home: Home) -> None:
    with script(home, slow=True) as first:
        first.wait_for("runs ")
        first.interrupt()
        assert first.wait(60) != 0
    (begun,) = runs(first)
    assert home.wait(home.processes, lambda found: not found) == {}

    with script(home) as second:
        assert second.wait(120) == 0, second.text

    # At once, and not when a lease has ended: it was the first that was given out.
    assert runs(second)[0] == begun
    shown = home.json("show", "demo/shared", begun[0])
    assert [attempt["cause"] for attempt in shown["attempt_list"]] == ["preempted", None]
    assert home.json("status", "demo/shared")["state"] == "finished"
