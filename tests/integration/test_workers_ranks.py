"""A trial of several processes: one proposal, one voice, and one end for all of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import HERE, ROOT, Start, Started, is_alive, wait_dead
from tests.support.patience import wait_until
from tests.support.training.gpu_library import make_gpu_library


def offer(peer: Peer, case: str, number: int, objective: str = "train") -> str:
    return peer.offer(
        f"ranks_trials:{objective}",
        attempt=f"s1-t{number}-a1",
        params={"case": case, "x": 0.25},
        devices=2,
    )


def ranks_of(worker: Started, number: int) -> list[dict[str, Any]]:
    """Return what the ranks of a trial have noted."""
    folder = worker.run_dir(trial=number)
    return [json.loads(path.read_text()) for path in sorted(folder.glob("rank?"))]


def start_with_gpus(start: Start, folder: Path) -> Started:
    """Start a worker that owns two GPUs, by a stand-in for NVIDIA's library."""
    library = make_gpu_library(folder / "library", ["GPU-1", "GPU-2"])
    path = os.pathsep.join(map(str, (library, ROOT, HERE)))
    return start("--device=gpu:GPU-1,GPU-2", PYTHONPATH=path)


def test_the_ranks_share_one_proposal_and_one_end_and_rank_0_speaks_for_them(
    peer: Peer, start: Start, tmp_path: Path
) -> None:
    worker = start_with_gpus(start, tmp_path)

    good = peer.wait_finish(offer(peer, "good", 0))
    assert (good["outcome"], good["values"]) == ("complete", [0.5])
    assert good["metrics"] == {"score": 0.5, "rank": 0.0}
    told = [point["value"] for point in peer.reports["s1-t0-a1"]]
    assert [*told, *(point["value"] for point in good["points"])] == [1.0, 2.0, 3.0]
    noted = ranks_of(worker, 0)
    assert len(noted) == 3
    assert all(rank["params"] == {"case": "good", "x": 0.25} for rank in noted)
    assert all(rank["devices"] == ["GPU-1", "GPU-2"] for rank in noted)

    raised = peer.wait_finish(offer(peer, "raises", 1))
    assert raised["cause"] == "error"
    assert raised["error"].endswith("ValueError: no such layer (rank 1 of 3)")

    died = peer.wait_finish(offer(peer, "dies", 2))
    assert died["cause"] == "lost"
    assert died["error"].endswith("the trial's process died of SIGKILL (rank 2 of 3)")

    broken = peer.wait_finish(offer(peer, "none", 3, "fails_to_launch"))
    assert broken["cause"] == "error"
    assert broken["error"].endswith("no such GPU\nthe launcher of the 2 ranks ended with status 1")

    peer.orders["s1-t4-a1"] = "prune"
    pruned = peer.wait_finish(offer(peer, "waits", 4))
    assert pruned["outcome"] == "pruned"
    assert pruned["error"] == ""
    for number in range(5):
        for rank in ranks_of(worker, number):
            wait_dead(rank["pid"])
    left = [line for line in worker.logs() if line["message"] == "processes left behind"]
    assert left == [], "the launcher ended them, and no rank had to be looked for"


def test_the_ranks_end_with_a_trial_that_is_killed(
    peer: Peer, start: Start, tmp_path: Path
) -> None:
    offer(peer, "waits", 0)
    worker = start_with_gpus(start, tmp_path)
    wait_until(lambda: len(ranks_of(worker, 0)) == 3, "not all ranks have come", seconds=30)
    worker.process.kill()

    for rank in ranks_of(worker, 0):
        wait_dead(rank["pid"])
        assert not is_alive(rank["pid"])
