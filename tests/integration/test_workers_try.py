"""`python -m workers try`: one trial for `tuner check`, without any service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers_process import HERE, ROOT

TRY = """
import json, os, time, math
def reports(run):
    run.report(3, 0.25, loss=1.5)
    time.sleep(300)
def returns(run):
    return {"score": 0.5, "size": 2}
def raises(run):
    print("about to fail")
    raise ValueError("broken layer")
def ends(run):
    os._exit(9)
def sleeps(run):
    time.sleep(300)
def nan(run):
    run.report(1, math.nan)
def dates(run):
    run.report(1_795_872_938, 0.5)
def swallows(run):
    while True:
        try:
            run.report(1, 0.5)
        except Exception:
            time.sleep(300)
"""


def run_try(code_root: Path, function: str, timeout_s: float = 20.0) -> tuple[int, Any]:
    assignment = {
        "attempt": "check",
        "study": "p/s",
        "trial": 0,
        "attempt_no": 1,
        "params": {},
        "seed": 1,
        "objective": f"mine:{function}",
        "metrics": [{"name": "score", "goal": "maximize"}],
        "run_dir": "p/s/check",
        "checkpoint_dir": "p/s/check",
    }
    request = {"assignment": assignment, "code_root": str(code_root), "timeout_s": timeout_s}
    done = subprocess.run(
        [sys.executable, "-m", "workers", "try"],
        input=json.dumps(request),
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"},
        cwd=code_root.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def code_root(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "mine.py").write_text(TRY)
    return folder


def test_a_trial_is_ended_at_its_first_report(code_root: Path) -> None:
    status, report = run_try(code_root, "reports")

    assert status == 0
    assert report["ok"] is True
    assert (report["step"], report["value"], report["reported"]) == (3, 0.25, True)
    assert report["metrics"] == {"loss": 1.5}
    assert report["seconds"] < 20


def test_a_trial_without_reports_is_judged_by_its_result(code_root: Path) -> None:
    status, report = run_try(code_root, "returns")

    assert status == 0
    assert (report["value"], report["reported"], report["step"]) == (0.5, False, None)
    assert report["metrics"] == {"score": 0.5, "size": 2.0}


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("raises", "ValueError: broken layer"),
        ("ends", "exited with status 9"),
        ("nan", "the first report is nan"),
        ("absent", "mine has no 'absent'; functions there: dates, ends, nan"),
    ],
)
def test_a_trial_that_fails_says_why(code_root: Path, function: str, text: str) -> None:
    status, report = run_try(code_root, function)

    assert status == 1
    assert report["ok"] is False
    assert text in report["error"]


def test_the_output_of_a_failure_is_shown(code_root: Path) -> None:
    assert run_try(code_root, "raises")[1]["output"] == "about to fail\n"


def test_a_trial_that_takes_too_long_is_ended(code_root: Path) -> None:
    status, report = run_try(code_root, "sleeps", timeout_s=2.0)

    assert status == 1
    assert report["error"] == "no report and no end after 2 s"


def test_a_trial_that_does_not_stop_is_killed(code_root: Path) -> None:
    status, report = run_try(code_root, "swallows")

    assert status == 0
    assert report["ok"] is True


def test_input_that_is_no_request_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers", "try"],
        input="{}",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "not a request" in done.stderr


def test_a_report_that_the_service_would_refuse_is_refused_with_its_line(code_root: Path) -> None:
    status, report = run_try(code_root, "dates")

    assert (status, report["ok"]) == (1, False)
    assert "    run.report(1_795_872_938, 0.5)" in report["error"].splitlines()
    assert "a whole number from 1 to 10000000, not 1795872938" in report["error"]
