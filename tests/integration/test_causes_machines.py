"""Causes outside the trial, with the real thing: machines, images, code, and the user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cause_fleet import (
    Fleet,
    attempts,
    drawn,
    wait_attempt,
    wait_running,
)
from tests.integration.cause_outcomes import assert_completed, assert_failed
from tests.integration.workers_process import ROOT, Started, kill
from tests.support.archives import make_archive
from tests.support.patience import hold
from tests.support.study_lab import Lab
from tuner.trials.causes import CAUSE_ATTR

pytestmark = pytest.mark.slow


def test_a_killed_trial_or_worker_is_lost_and_the_trial_runs_elsewhere_within_its_retries(
    fleet: Fleet,
) -> None:
    fleet.start("a")
    fleet.start("b")
    lab = fleet.submit("waits", "good", trial={"retries": 2}, budget={"trials": 1})
    first, trial_pid = wait_running(lab, 1)
    kill(trial_pid)
    lost = wait_attempt(lab, 1, "lost")
    assert "died of SIGKILL" in lost["error"], "its parent has said so, no lease has ended"
    second, orphan = wait_running(lab, 2)
    assert second["worker"] != first["worker"], "elsewhere"
    kill(fleet.workers[second["worker"]].pid)
    lost = wait_attempt(lab, 2, "lost")
    assert "gave no sign of life" in lost["error"]
    third, trial_pid = wait_running(lab, 3)
    assert third["worker"] == first["worker"], "the other one is dead"
    with pytest.raises(ProcessLookupError):
        kill(orphan)
    kill(trial_pid)
    # Not counted, so the budget of one trial is still there for the next.
    assert_failed(lab, "lost", used=1, tries=3)
    assert [(t["trial"], t["state"]) for t in lab.trials()] == [(0, "FAIL"), (1, "COMPLETE")]


def test_a_trial_of_a_worker_that_must_leave_goes_on_elsewhere_for_nothing(fleet: Fleet) -> None:
    leaver = fleet.start("leaver")
    lab = fleet.submit("checkpoints", trial={"retries": 0})
    lab.wait(lambda: lab.trials() and len(lab.show(0)["reports"]) >= 5, "it has reported")
    leaver.terminate()
    other = fleet.launch("other")
    first, second = assert_completed(lab, "preempted")

    assert leaver.wait(10) == 0
    assert (first["worker"], second["worker"]) == (fleet.name_of(leaver), fleet.name_of(other))
    steps = [report["step"] for report in lab.show(0)["reports"]]
    assert sorted(set(steps)) == list(range(1, 41))
    # Asked to leave between a report and its checkpoint, a trial makes that one step again.
    assert len(steps) <= 41
    assert lab.status()["budget"]["used"] == 1


def test_a_device_that_fails_in_the_middle_rejects_the_trial_and_another_worker_runs_it(
    fleet: Fleet,
) -> None:
    fleet.start("a")
    fleet.start("b", "--isolation=spawn")
    lab = fleet.submit("has_no_device")
    first, second = assert_completed(lab, "rejected")

    assert first["worker"] != second["worker"]
    assert "CUDA_ERROR_NO_DEVICE" in first["error"]


#: Stands in for NVIDIA's library on a machine without a GPU; a GPU is gone when a file says so.
PYNVML = """
from pathlib import Path
FOLDER = Path(__file__).parent
class NVMLError(Exception): pass
def nvmlInit(): pass
def nvmlDeviceGetCount(): return 0
def nvmlSystemGetDriverVersion(): return "580.1"
def nvmlDeviceGetName(handle): return "GPU"
def nvmlDeviceGetCudaComputeCapability(handle): return (9, 0)
def nvmlDeviceGetMemoryInfo(handle): return type("Memory", (), {"total": 1})
def nvmlDeviceGetHandleByUUID(uuid):
    if (FOLDER / uuid.decode()).exists():
        raise NVMLError("GPU is lost")
    return uuid
"""


def test_a_worker_whose_gpu_is_gone_rejects_the_trial_and_another_one_runs_it(
    fleet: Fleet, tmp_path: Path
) -> None:
    (tmp_path / "pynvml.py").write_text(PYNVML)
    path = os.pathsep.join([str(tmp_path), str(ROOT), str(ROOT / "tests/integration")])
    broken = fleet.start("broken", "--device=gpu:GPU-1", PYTHONPATH=path)
    (tmp_path / "GPU-1").touch()
    lab = fleet.submit("good", trial={"gpus": 1, "retries": 9})
    wait_attempt(lab, 1, "rejected")
    whole = fleet.start("whole", "--device=gpu:GPU-2", PYTHONPATH=path)
    first = assert_rejected_by(fleet, lab, broken, whole)

    assert "GPU 'GPU-1' does not answer: GPU is lost" in first["error"]


def assert_rejected_by(fleet: Fleet, lab: Lab, broken: Started, whole: Started) -> dict[str, Any]:
    """Assert that one worker rejected the trial, again while it was alone, and the other ran it."""
    lab.wait_closed()
    *rejected, last = attempts(lab)
    assert_completed(lab, *["rejected"] * len(rejected))
    assert {attempt["worker"] for attempt in rejected} == {fleet.name_of(broken)}
    assert last["worker"] == fleet.name_of(whole)
    return rejected[0]


def test_a_worker_that_cannot_have_the_code_rejects_the_trial_and_another_one_runs_it(
    fleet: Fleet,
) -> None:
    code = make_archive({"notes.txt": "of no use"})
    lab = fleet.submit("good", code=code, trial={"retries": 9})
    full = fleet.launch("full")
    # Where it keeps code, there is no folder to be made.
    (full.home / "code").write_text("")
    wait_attempt(lab, 1, "rejected")
    whole = fleet.start("whole")
    first = assert_rejected_by(fleet, lab, full, whole)

    assert "code snapshot cannot be kept on this host" in first["error"]


def test_a_worker_of_another_image_is_never_given_the_trial(fleet: Fleet) -> None:
    lab = fleet.submit("good")
    fleet.start("other", TUNER_IMAGE="team/train@sha256:" + "0" * 64)
    hold(lambda: lab.trials() == [], "no trial for another image", seconds=1)
    fleet.start("right")

    (attempt,) = assert_completed(lab)
    assert attempt["worker"].startswith("right")


def test_a_cancelled_trial_is_final_counts_and_is_no_fault_of_the_worker(fleet: Fleet) -> None:
    worker = fleet.start("w")
    lab = fleet.submit("is_slow", "good")
    lab.wait(lambda: lab.trials() and lab.show(0)["reports"], "it has reported")
    lab.do("trials/0/cancel")
    status = lab.wait_closed()
    trial, (attempt,) = lab.show(0), attempts(lab)

    assert (trial["state"], trial["cause"], status["budget"]["used"]) == ("FAIL", "cancelled", 2)
    assert attempt["state"] == "cancelled"
    assert "objective" not in drawn(lab, attempt)["scalars"]
    assert lab.optuna_trials()[0].system_attrs[CAUSE_ATTR] == "cancelled"

    assert fleet.known()[fleet.name_of(worker)]["state"] == "idle"
