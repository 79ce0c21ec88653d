"""Every row of the table of causes with the real thing: a real server, real workers, real failures.

Each row says how the attempt and the trial end, whether and where the trial runs again, whether it
counts in the budget, what the sampler is told, whether it speaks against the worker, and what the
user sees. What waits long (a hang until it is killed, a full disk until the next attempt) is
started at once for all tests that look at it.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from tests.integration.cause_fleet import (
    Fleet,
    MemoryGroup,
    SmallDisk,
    attempts,
    drawn,
    open_fleet,
    read_record,
    wait_attempt,
    wait_running,
)
from tests.integration.conftest import MakeService
from tests.integration.workers_process import ROOT, Started, kill
from tests.service_process import TOKEN, ServiceProcess
from tests.study_lab import Lab
from tuner.coordinator.causes import CAUSE_ATTR

#: Of an attempt; a worker beats three times in it.
LEASE_S = 3.0


@pytest.fixture(scope="module")
def server(make_service: MakeService) -> Iterator[ServiceProcess]:
    with make_service("sqlite", lease_s=LEASE_S) as service:
        yield service


@pytest.fixture
def fleet(server: ServiceProcess) -> Iterator[Fleet]:
    with open_fleet(server) as fleet:
        yield fleet


def assert_failed(
    lab: Lab, cause: str, *, used: int, number: int = 0, tries: int = 1
) -> dict[str, Any]:
    """Assert that a trial ended FAIL with `cause` after so many attempts like it; return the trial.

    `used` is what the study has used of its budget when it has ended.
    """
    status = lab.wait_closed()
    trial, begun = lab.show(number), attempts(lab, number)
    assert (trial["state"], trial["cause"]) == ("FAIL", cause), trial["error"]
    assert [a["cause"] for a in begun] == [cause] * tries
    assert status["budget"]["used"] == used
    told = lab.optuna_trials()[number]
    assert (told.state, told.values) == (TrialState.FAIL, None)
    assert told.system_attrs[CAUSE_ATTR] == cause
    for attempt in begun:
        record = read_record(lab, attempt)
        assert (record["cause"], record["objective"]) == (cause, None)
        assert record["error"] == attempt["error"]
        assert len(record["error"].splitlines()) <= 50
        shown = drawn(lab, attempt)
        assert shown["status"] == "failure"
        assert "objective" not in shown["scalars"]
    return trial


def assert_completed(lab: Lab, *causes: str) -> list[dict[str, Any]]:
    """Assert that the first trial completed after attempts with these causes; return them all."""
    status = lab.wait_closed()
    trial = lab.show(0)
    begun = attempts(lab)
    assert (trial["state"], trial["cause"]) == ("COMPLETE", None), trial["error"]
    assert [a["cause"] for a in begun] == [*causes, None]
    assert status["budget"]["used"] == 1
    assert lab.optuna_trials()[0].state == TrialState.COMPLETE
    for attempt in begun:
        shown = drawn(lab, attempt)
        read_record(lab, attempt)
        assert ("objective" in shown["scalars"]) == (attempt is begun[-1])
    return begun


# -- the user's code and its numbers ---------------------------------------------------------------

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
    assert "workers/child.py" not in trial["error"]
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


# -- memory ----------------------------------------------------------------------------------------


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
        group.enter(worker.pid)
        lab = fleet.submit("hogs", "good")
        trial = assert_failed(lab, "oom", used=2, tries=2)

        assert "the kernel killed it for memory" in trial["error"]
        assert [a["exit_status"] for a in attempts(lab)] == [-signal.SIGKILL] * 2
        assert worker.process.poll() is None
    finally:
        worker.close()
        group.close()


# -- machines --------------------------------------------------------------------------------------


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
    assert [report["step"] for report in lab.show(0)["reports"]] == list(range(1, 41))
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


def make_archive(files: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()


def test_a_worker_of_another_image_is_never_given_the_trial(fleet: Fleet) -> None:
    lab = fleet.submit("good")
    fleet.start("other", TUNER_IMAGE="team/train@sha256:" + "0" * 64)
    time.sleep(1.0)
    assert lab.trials() == []
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


# -- what waits long: hangs and disks --------------------------------------------------------------


class Waiting:
    """Studies that are under way together, each with its own worker."""

    def __init__(self, server: ServiceProcess, stack: contextlib.ExitStack, folder: Path) -> None:
        self.disks = {name: SmallDisk(folder / name, "2m") for name in ("full", "frozen", "keras")}
        for disk in self.disks.values():
            stack.callback(disk.close)
        names = ("hang", "slow", *self.disks)
        self.fleets = {name: stack.enter_context(open_fleet(server)) for name in names}
        roots = {name: str(disk.folder / "root") for name, disk in self.disks.items()}
        self.disks["frozen"].remount("ro")
        self.disks["keras"].fill(leave=70_000)
        self.fleets["hang"].launch("w")
        self.fleets["slow"].launch("w", "--isolation=spawn")
        self.fleets["full"].launch("w", TUNER_LOG_ROOT=roots["full"])
        self.fleets["frozen"].launch("w", TUNER_LOG_ROOT=roots["frozen"])
        self.keras = self.fleets["keras"].launch(
            "w", preimport="tensorflow", TUNER_CHECKPOINT_ROOT=roots["keras"]
        )
        limit = {"trial": {"timeout": "3s"}}
        self._labs = {
            "hang": self.fleets["hang"].submit("hangs_in_c", "good", **limit),
            "slow": self.fleets["slow"].submit("is_slow", "good", **limit),
            "full": self.fleets["full"].submit("fills_the_log_root"),
            "frozen": self.fleets["frozen"].submit("good"),
            "keras": self.fleets["keras"].submit("keras_checkpoints"),
        }
        thread = ThreadPoolExecutor(1)
        stack.callback(thread.shutdown)
        self._freed = thread.submit(self._free)

    def lab(self, name: str) -> Lab:
        """Return a study that has ended."""
        self._freed.result(120)
        self._labs[name].wait_closed()
        return self._labs[name]

    def _free(self) -> None:
        """Give each disk room once a trial has met it as it was."""
        for name, disk in self.disks.items():
            wait_attempt(self._labs[name], 1, "storage", 90)
            if name == "frozen":
                disk.remount("rw")
            elif name == "keras":
                disk.free()
            else:
                next(disk.folder.rglob("images.bin")).unlink()
        for case in ("keras_diverges", "keras_exhausts"):
            self._labs[case] = self.fleets["keras"].submit(case, "good")


@pytest.fixture(scope="module", autouse=True)
def waiting(server: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waiting]:
    """All that waits, begun with the first test of this file."""
    with contextlib.ExitStack() as stack:
        yield Waiting(server, stack, tmp_path_factory.mktemp("disks"))


def test_a_trial_that_hangs_in_c_is_killed_after_its_time_and_shows_where_it_hung(
    waiting: Waiting,
) -> None:
    trial = assert_failed(waiting.lab("hang"), "timeout", used=2)

    assert trial["error"].splitlines()[-1] == "over the time limit (3 s)"
    assert "in _hangs_in_c" in trial["error"]
    (attempt,) = attempts(waiting.lab("hang"))
    assert attempt["exit_status"] == -signal.SIGKILL
    assert attempt["duration_s"] < 20


def test_a_trial_over_its_time_that_listens_ends_by_itself(waiting: Waiting) -> None:
    trial = assert_failed(waiting.lab("slow"), "timeout", used=2)

    assert trial["error"] == "over the time limit (3 s)"
    (attempt,) = attempts(waiting.lab("slow"))
    assert (attempt["exit_status"], attempt["duration_s"] < 10) == (0, True)


def test_a_trial_that_fills_the_log_root_runs_again_when_there_is_room(waiting: Waiting) -> None:
    begun = assert_completed_later(waiting.lab("full"))

    assert "No space left on device" in begun[0]["error"]


def test_a_trial_on_a_read_only_log_root_runs_when_it_is_writable(waiting: Waiting) -> None:
    begun = assert_completed_later(waiting.lab("frozen"))

    assert "the trial was not started" in begun[0]["error"]
    assert "Read-only file system" in begun[0]["error"]


def test_a_training_whose_checkpoint_does_not_fit_runs_again_when_there_is_room(
    waiting: Waiting,
) -> None:
    begun = assert_completed_later(waiting.lab("keras"))

    assert "No space left on device" in begun[0]["error"]
    reports = waiting.lab("keras").show(0)["reports"]
    last = next(report["step"] for report in reports if report["attempt"] == 2)
    assert 1 < last <= 4, "it did not begin anew"
    assert {report["step"] for report in reports} == {1, 2, 3, 4}


def assert_completed_later(lab: Lab) -> list[dict[str, Any]]:
    """Assert that a trial met a full disk, waited, and completed; return its attempts.

    The worker's roots are not the server's here, so its files are not looked at.
    """
    status = lab.wait_closed()
    begun = attempts(lab)
    assert [a["cause"] for a in begun] == ["storage", None]
    assert (lab.show(0)["state"], status["budget"]["used"]) == ("COMPLETE", 1)
    assert [event["trial"] for event in lab.events("attempt-storage")] == [0]
    waited = [seconds(a) for a in begun]
    assert waited[1][0] - waited[0][1] > 9
    return begun


def seconds(attempt: dict[str, Any]) -> tuple[float, float]:
    """Return when an attempt was claimed and when it ended."""
    from datetime import datetime

    return tuple(  # type: ignore[return-value]
        datetime.fromisoformat(attempt[key]).timestamp() for key in ("started", "finished")
    )


def test_keras_and_tensorflow_say_it_in_their_own_way(waiting: Waiting) -> None:
    waiting.lab("keras")
    diverged = assert_failed(waiting.lab("keras_diverges"), "diverged", used=2)
    exhausted = assert_failed(waiting.lab("keras_exhausts"), "oom", used=2, tries=2)

    assert "the training diverged in epoch" in diverged["error"]
    assert "ResourceExhaustedError" in exhausted["error"]
    assert waiting.keras.process.poll() is None
