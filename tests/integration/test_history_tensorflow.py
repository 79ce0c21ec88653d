"""The TensorFlow and KerasTuner installed here still write what the importers were made for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.history.lab import DATA, HistoryLab, open_lab
from tests.support.needed import needs


@pytest.mark.slow
@pytest.mark.timeout(300)
@needs("tensorflow")
@pytest.mark.parametrize("name", ["keras", "kerastuner"])
def test_runs_made_now_are_imported_like_the_shipped_ones(tmp_path: Path, name: str) -> None:
    made = tmp_path / "made"
    subprocess.run(
        [sys.executable, str(DATA / "make_runs.py"), name, str(made)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
    )
    with (
        open_lab(f"sqlite:///{tmp_path / 'now.db'}") as now,
        open_lab(f"sqlite:///{tmp_path / 'shipped.db'}") as shipped,
    ):
        assert now.add(made).rejected == shipped.add(DATA / name).rejected == 0

        assert shape(now) == shape(shipped)


def shape(lab: HistoryLab) -> dict[str, object]:
    """Return what does not depend on the machine: all but values of metrics and times."""
    studies = [lab.store.load(summary.key) for summary in lab.store.studies()]
    return {
        study.locator.rpartition("/")[2]: (
            study.kind,
            dict(study.metrics),
            study.space,
            [
                (trial.key, trial.state, set(trial.params), set(trial.metrics))
                for trial in study.trials
            ],
            [{name: len(curve) for name, curve in trial.curves.items()} for trial in study.trials],
            [trial.started is not None and trial.finished is not None for trial in study.trials],
        )
        for study in studies
    }
