"""Compares what TensorBoard's HTTP API shows of a study with what the command line says of it."""

from __future__ import annotations

import math
from pathlib import PurePosixPath
from typing import Any

import pytest

from tests.acceptance.home import Home
from tests.support.board.tensorboard_api import TensorBoard, open_tensorboard

#: A sampler's counter of retries of one trial is far below this.
ALL = 10_000


def assert_tensorboard_agrees(home: Home, study: str) -> dict[int, Any]:
    """Assert that every trial and attempt is shown as the database has it.

    Returns:
        What `tuner show --json` says of each trial, by number.
    """
    rows = home.json("best", study, "--all", "-n", ALL)
    details = {row["trial"]: home.json("show", study, row["trial"]) for row in rows}
    for row in rows:
        # The list and the page of a trial are two readings of one truth.
        assert details[row["trial"]].items() >= row.items()
    status = home.json("status", study)
    attempts = {
        PurePosixPath(attempt["run_dir"]).name: (trial, attempt)
        for trial, detail in details.items()
        for attempt in detail["attempt_list"]
        if attempt["started"] is not None
    }
    with open_tensorboard(home.logs / study) as board:
        board.wait_until(board.trials, lambda trials: trials.keys() >= attempts.keys())
        shown = board.trials()
        assert shown.keys() == attempts.keys()
        for name, (trial, attempt) in attempts.items():
            _assert_run(board, shown[name], name, details[trial], attempt, status["metrics"])
        _assert_study(board, status, details)
    return details


def _assert_run(
    board: TensorBoard,
    shown: dict[str, Any],
    name: str,
    trial: dict[str, Any],
    attempt: dict[str, Any],
    metrics: list[dict[str, str]],
) -> None:
    is_outcome = PurePosixPath(trial["run_dir"]).name == name
    succeeded = is_outcome and trial["state"] in ("COMPLETE", "PRUNED")
    assert shown["hparams"] == trial["params"], name
    assert shown["status"] == ("SUCCESS" if succeeded else "FAILURE"), name
    assert shown["sessions"] == [name]
    assert shown["start"] <= shown["end"], name
    # Event files hold 32 bits of a number.
    expected = (
        {"objective": pytest.approx(trial["objective"], rel=1e-6)}
        if succeeded and trial["objective"] is not None
        else {}
    )
    assert shown["metrics"] == expected, name
    curve = {
        report["step"]: math.nan if report["value"] is None else report["value"]
        for report in trial["reports"]
        if report["attempt"] <= attempt["attempt"]
    }
    points = [(step, pytest.approx(curve[step], rel=1e-6, nan_ok=True)) for step in sorted(curve)]
    drawn = board.scalars(name, metrics[0]["name"])
    if attempt["state"] in ("cancelled", "lost"):
        # Until its worker hears that it was called off it draws on, and its reports are refused.
        drawn = drawn[: len(points)]
    assert drawn == points, name


def _assert_study(
    board: TensorBoard, status: dict[str, Any], details: dict[int, dict[str, Any]]
) -> None:
    experiment = board.experiment()
    assert experiment["name"] == status["study"]
    declared = {info["name"] for info in experiment["hparamInfos"]}
    assert declared >= {name for trial in details.values() for name in trial["params"]}
    complete = {
        number: trial["objective"]
        for number, trial in sorted(details.items())
        if trial["state"] == "COMPLETE"
    }
    assert board.scalars("_study", "study/objective") == [
        (number, pytest.approx(value, rel=1e-6)) for number, value in complete.items()
    ]
    best = board.scalars("_study", "study/best_so_far")
    assert best[-1][1] == pytest.approx(status["best"]["objective"], rel=1e-6)
