"""What `make run` does after the installation: the example study, with the real TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.agreement import assert_tensorboard_agrees
from tests.acceptance.home import ROOT, open_home
from tests.support.needed import needs
from tests.support.patience import clock

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    needs("tensorflow", "sklearn"),
]

SPEC = ROOT / "search_spaces" / "examples" / "digits.yaml"
STUDY = "examples/digits"
LIMIT_S = 600.0


def test_the_example_is_tuned_with_two_workers_and_tensorboard_shows_every_trial(
    tmp_path: Path,
) -> None:
    with open_home(tmp_path) as home:
        began = clock()
        done = home.ok("run", SPEC, "--workers", "2", timeout_s=LIMIT_S)
        assert clock() - began < LIMIT_S

        assert "2 on cpu" in done.out
        assert f"tuner board {STUDY}" in done.out.splitlines()[-1]
        assert home.processes() == {}
        status = home.json("status", STUDY)
        assert status["state"] == "finished"
        assert status["budget"]["used"] >= 20
        assert status["counts"]["pruned"] >= 1
        assert status["counts"]["fail"] == 0
        assert status["best"]["objective"] > 0.97
        trials = assert_tensorboard_agrees(home, STUDY)
        assert len(trials) >= 20
        workers = {attempt["worker"] for row in trials.values() for attempt in row["attempt_list"]}
        assert len(workers) == 2
        for row in trials.values():
            assert row["attempts"] == 1
            names = {path.name for path in (home.logs / row["run_dir"]).iterdir()}
            assert names >= {"config.json", "trial.json", "output.log"}
            assert "val_accuracy" in home.ok("logs", STUDY, row["trial"]).out
