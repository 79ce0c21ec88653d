"""Log roots that cannot be written, or fill up, under a real worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Start
from tests.support.patience import wait_until


def test_an_unwritable_log_root_fails_the_attempt_before_it_trains(
    peer: Peer, start: Start, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    peer.offer("workers_trials:noop")
    start(TUNER_LOG_ROOT=str(blocked / "logs"))
    finish = peer.wait_finish("s1-t0-a1")

    assert (finish["outcome"], finish["cause"]) == ("failed", "storage")
    assert "not started" in finish["error"]
    assert finish["exit_status"] is None


def test_a_log_root_that_fills_up_costs_the_curve_and_not_the_trial(
    peer: Peer, start: Start, small_disk: Path
) -> None:
    peer.offer("workers_trials:reporter_until_full", params={"x": 0.5, "disk": str(small_disk)})
    worker = start(TUNER_LOG_ROOT=str(small_disk / "logs"))
    finish = peer.wait_finish("s1-t0-a1", 30)

    assert (finish["outcome"], finish["values"]) == ("complete", [0.5]), finish["error"]
    assert worker.wait_log("log root not writable, the coordinator will repair the run")
    (small_disk / "filler").unlink()


@pytest.mark.parametrize("how", ["pipe", "link", "folder"])
def test_what_a_trial_plants_in_its_folder_costs_neither_its_result_nor_the_next_trial(
    peer: Peer, start: Start, tmp_path: Path, how: str
) -> None:
    outside = tmp_path / "data"
    outside.write_bytes(b"x" * 11_000_000)
    peer.offer("workers_trials:plants", params={"how": how, "outside": str(outside)})
    peer.offer("workers_trials:noop", attempt="s1-t1-a1", params={"x": 0.5})
    worker = start()
    first, second = (peer.wait_finish(f"s1-t{number}-a1") for number in (0, 1))
    wait_until(
        lambda: (worker.run_dir(trial=1) / "trial.json").exists(), "no trial.json", seconds=10
    )

    assert (first["outcome"], first["values"]) == ("complete", [3.0]), first["error"]
    assert (second["outcome"], second["values"]) == ("complete", [0.5]), second["error"]
    assert outside.stat().st_size == 11_000_000
    record = worker.run_dir() / "trial.json"
    assert record.is_dir() if how == "folder" else record.is_file() and not record.is_symlink()


def test_a_file_in_place_of_a_study_is_an_error_of_its_trials_and_no_workers(
    peer: Peer, start: Start
) -> None:
    peer.offer("workers_trials:plants", params={"how": "file"})
    peer.offer("workers_trials:noop", attempt="s1-t1-a1")
    other = "vision/other/trial_00002"
    peer.offer("workers_trials:noop", attempt="s1-t2-a1", run_dir=other, checkpoint_dir=other)
    start()
    ends = [peer.wait_finish(f"s1-t{number}-a1") for number in (0, 1, 2)]

    assert [end["outcome"] for end in ends] == ["complete", "failed", "complete"]
    assert ends[1]["cause"] == "error"
    assert "logs/vision/digits: is a file, and must be a folder" in ends[1]["error"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=1m tmpfs {folder} 2>/dev/null"):  # noqa: S605
        pytest.skip("needs root and the right to mount a tmpfs")
    yield folder
    os.system(f"umount -l {folder}")  # noqa: S605
