"""Causes that wait long, with the real thing: hangs until they are killed, and full disks.

All are started at once, before the first test looks at one.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cause_fleet import (
    SmallDisk,
    attempts,
    open_fleet,
    wait_attempt,
)
from tests.integration.cause_outcomes import assert_failed
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab

pytestmark = pytest.mark.slow


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
