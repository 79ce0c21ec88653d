"""`trial.keep` keeps the checkpoints of the best trials and of those that are not over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.service.files.retention import remove_checkpoints, spare_checkpoints
from tuner.service.service import Service
from tuner.settings import load_settings
from tuner.spec import parse_spec
from tuner.storage import open_storage, tables

SPEC: dict[str, Any] = {
    "project": "p",
    "study": "s",
    "objective": "m:f",
    "metric": [{"name": "loss", "goal": "minimize"}],
    "search_space": {"a.x": {"type": "float", "low": 0, "high": 1}},
    "budget": {"trials": 9},
}


def test_the_checkpoints_of_the_best_and_of_running_trials_stay(tmp_path: Path) -> None:
    left = _keep(tmp_path, keep=2, objectives=[0.5, 0.1, 0.9, 0.2, None])

    assert left == ["trial_00001", "trial_00003", "trial_00004"]


def test_without_keep_all_checkpoints_stay(tmp_path: Path) -> None:
    left = _keep(tmp_path, keep=None, objectives=[0.5, 0.1, None])

    assert left == ["trial_00000", "trial_00001", "trial_00002"]


def _keep(folder: Path, *, keep: int | None, objectives: list[float | None]) -> list[str]:
    """Return the checkpoint folders that are left; a trial without objective is running."""
    spec = parse_spec({**SPEC, "trial": {"keep": keep} if keep is not None else {}})
    storage = open_storage(f"sqlite:///{folder}/t.db", create=True)
    Service(storage, load_settings({"TUNER_HOME": str(folder)})).submit(spec.to_json())
    root = folder / "checkpoints"
    with storage.begin() as connection:
        study = connection.execute(sa.select(tables.studies)).one()
        for number, objective in enumerate(objectives):
            connection.execute(
                tables.trials.insert().values(
                    study_id=study.id,
                    number=number,
                    state="running" if objective is None else "complete",
                    params_json="{}",
                    seed=0,
                    proposal_json="{}",
                    optuna_id=number,
                    objective=objective,
                    values_json=json.dumps([objective]),
                    created=0.0,
                )
            )
            (root / "p" / "s" / f"trial_{number:05d}").mkdir(parents=True)
        spare = spare_checkpoints(connection, study.id, spec)
    remove_checkpoints(root, spec.name, spare)
    storage.close()
    return sorted(path.name for path in (root / "p" / "s").iterdir())
