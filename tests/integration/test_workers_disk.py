"""Log roots that cannot be written, or fill up, under a real worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Start


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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=1m tmpfs {folder} 2>/dev/null"):  # noqa: S605
        pytest.skip("needs root and the right to mount a tmpfs")
    yield folder
    os.system(f"umount -l {folder}")  # noqa: S605
