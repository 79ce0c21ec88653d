"""Causes in the trial itself, with the real thing: its code, its numbers, its memory.

What is asserted of each row of the table of causes: `cause_outcomes.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cause_fleet import (
    Fleet,
    MemoryGroup,
    attempts,
    open_fleet,
)
from tests.integration.cause_outcomes import assert_failed
from tests.integration.workers_process import ROOT
from tests.support.processes import children
from tests.support.service_process import TOKEN, ServiceProcess

#: What fails, its cause, and what the explanation holds.
ENDS = {
    "raises": ("error", "layer 59 does not fit"),
    "exits": ("error", "about to leave\nthe trial's process exited with status 3"),
    "says_exit": ("error", "SystemExit: no licence"),
    "aborts": ("error", "in train\nthe trial's process died of SIGABRT"),
    "segfaults": ("error", "in train\nthe trial's process died of SIGSEGV"),
    "nan": ("diverged", "the objective diverged: score is nan"),
    "inf": ("diverged", "the objective diverged: score is inf"),
    "minus_inf": ("diverged", "the objective diverged: score is -inf"),
}
ISOLATIONS = ("fork", "spawn")


class Ends:
    """One study of all these ends, on one worker."""

    def __init__(self, fleet: Fleet, isolation: str) -> None:
        self.worker = fleet.name_of(fleet.launch(isolation, f"--isolation={isolation}"))
        self.lab = fleet.submit(*ENDS, "good")


@pytest.fixture(scope="module")
def ends(server: ServiceProcess) -> Iterator[dict[str, Ends]]:
    """By isolation."""
    with contextlib.ExitStack() as stack:
        yield {name: Ends(stack.enter_context(open_fleet(server)), name) for name in ISOLATIONS}


@pytest.mark.parametrize("case", ENDS)
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_failure_of_the_code_or_of_its_numbers_is_final_and_counts(
    ends: dict[str, Ends], isolation: str, case: str
) -> None:
    lab, number = ends[isolation].lab, list(ENDS).index(case)
    cause, text = ENDS[case]
    trial = assert_failed(lab, cause, number=number, used=len(ENDS) + 1)

    assert text in trial["error"]
    assert "workers/trial/child.py" not in trial["error"]
    assert lab.status()["counts"] == {
        "waiting": 0, "running": 0, "complete": 1, "pruned": 0, "fail": len(ENDS)
    }  # fmt: skip


def test_no_failure_of_the_code_speaks_against_the_worker(
    server: ServiceProcess, ends: dict[str, Ends]
) -> None:
    for end in ends.values():
        end.lab.wait_closed()
    rows = {row["name"]: row for row in server.get("/workers")}

    assert [rows[end.worker]["state"] for end in ends.values()] == ["idle", "idle"]


def test_show_prints_the_end_of_the_traceback(
    server: ServiceProcess, ends: dict[str, Ends], tmp_path: Path
) -> None:
    lab = ends["fork"].lab
    lab.wait_closed()
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TUNER_HOME": str(tmp_path),
        "TUNER_API_URL": server.url,
        "TUNER_TOKEN": TOKEN,
        "COLUMNS": "100",
    }
    shown = subprocess.run(
        [sys.executable, "-m", "tuner", "show", lab.study, "0"],
        env=environ, capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip

    assert "FAIL" in shown
    for n in range(12, 60):
        assert f"layer {n} does not fit" in shown
    assert "no units" in shown
    assert "layer 9 does not fit" not in shown, "fifty lines"


def test_a_study_whose_first_three_trials_fail_alike_pauses_and_shows_the_error(
    fleet: Fleet,
) -> None:
    lab = fleet.submit(*["segfaults"] * 5)
    fleet.start("w")
    lab.wait(lambda: lab.status()["state"] == "paused", "the study pauses")

    assert "died of SIGSEGV" in lab.status()["reason"]
    assert len(lab.trials()) == 3


def test_a_process_over_its_own_limit_is_tried_once_more_on_another_worker(fleet: Fleet) -> None:
    fleet.start("fork")
    fleet.start("spawn", "--isolation=spawn")
    lab = fleet.submit("exceeds_its_limit", "good")
    trial = assert_failed(lab, "oom", used=2, tries=2)

    assert trial["error"].splitlines()[-1] == "MemoryError"
    first, second = (a["worker"] for a in attempts(lab))
    assert {first, second} == set(fleet.workers)
    for name in fleet.workers:
        assert fleet.known()[name]["state"] == "idle", "nobody could run it: no worker is to blame"


def test_a_trial_that_the_kernel_kills_for_memory_is_out_of_memory_and_its_worker_lives(
    fleet: Fleet,
) -> None:
    worker = fleet.start("w")
    group = MemoryGroup(256 << 20)
    try:
        for pid in (worker.pid, *children(worker.pid)):
            group.enter(pid)
        lab = fleet.submit("hogs", "good")
        trial = assert_failed(lab, "oom", used=2, tries=2)

        assert "the kernel killed it for memory" in trial["error"]
        assert [a["exit_status"] for a in attempts(lab)] == [-signal.SIGKILL] * 2
        assert worker.process.poll() is None
    finally:
        worker.close()
        group.close()
