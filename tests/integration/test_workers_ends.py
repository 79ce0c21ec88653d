"""How attempts end: pruned, cancelled, out of time, fenced, or by a fault of their own."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Start, Started, kill, read_pid, wait_dead
from tests.support.patience import clock, wait_until
from tuner.roots import Place
from tuner.tfevents import read_run


@pytest.mark.parametrize("objective", ["reporter", "swallows"])
def test_a_pruned_trial_ends_pruned_whatever_it_returns(
    peer: Peer, start: Start, objective: str
) -> None:
    peer.offer(f"workers_trials:{objective}")
    worker = start()
    wait_until(lambda: peer.reports["s1-t0-a1"], "no report", seconds=20)
    peer.orders["s1-t0-a1"] = "prune"
    finish = peer.wait_finish("s1-t0-a1", 5)

    assert (finish["outcome"], finish["cause"], finish["values"]) == ("pruned", None, [])
    assert "stopped by TrialPruned" in (worker.run_dir() / "output.log").read_text()


def test_a_cancelled_trial_that_reports_ends_softly(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:reporter")
    start()
    wait_until(lambda: peer.reports["s1-t0-a1"], "no report", seconds=20)
    peer.orders["s1-t0-a1"] = "cancel"
    finish = peer.wait_finish("s1-t0-a1", 5)

    assert (finish["outcome"], finish["cause"]) == ("failed", "cancelled")
    assert finish["exit_status"] == 0


def test_a_cancelled_trial_that_does_not_listen_is_killed(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:deaf")
    worker = start()
    wait_until(lambda: (worker.run_dir() / "started").exists(), "not started", seconds=20)
    peer.orders["s1-t0-a1"] = "cancel"
    asked, counted = time.monotonic(), clock()
    finish = peer.wait_finish("s1-t0-a1", 20)

    assert (finish["cause"], finish["exit_status"]) == ("cancelled", -signal.SIGKILL)
    assert time.monotonic() - asked > 9
    assert clock() - counted < 14


def test_a_trial_over_its_time_is_asked_and_ends_as_timeout(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:reporter", timeout_s=1.0)
    start()
    finish = peer.wait_finish("s1-t0-a1", 10)

    assert (finish["outcome"], finish["cause"]) == ("failed", "timeout")
    assert "1 s" in finish["error"]
    assert 0.9 < finish["duration_s"] < 4


def test_a_killed_trial_is_lost_and_noticed_at_once(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:who")
    worker = start()
    pid = read_pid(worker.run_dir() / "trial")
    killed = clock()
    kill(pid)
    finish = peer.wait_finish("s1-t0-a1", 5)

    assert (finish["outcome"], finish["cause"]) == ("failed", "lost")
    assert finish["exit_status"] == -signal.SIGKILL
    assert clock() - killed < 1


BAD_ENDS = [
    ("exits", "error", "exited with status 7 without a result"),
    ("says_exit", "error", "SystemExit: 3"),
    ("segfaults", "error", "died of SIGSEGV"),
    ("kills_itself", "lost", "died of SIGKILL"),
    ("raises", "error", "ValueError: bad"),
    ("out_of_memory", "oom", "MemoryError: no room"),
    ("full_disk", "storage", "No space left"),
    ("foreign_full_disk", "error", "No space left"),
    ("nan", "diverged", "score is nan"),
    ("nothing", "error", "returned None; expected a number, a dict with the key 'score'"),
    ("text", "error", "returned '0.5' (str)"),
    ("wrong_key", "error", "without the metric 'score'; its keys: accuracy"),
    ("missing", "error", "workers_trials has no 'missing'"),
]


@pytest.fixture(scope="module")
def bad_ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Peer, Started]]:
    """One worker that meets every bad end, one after the other."""
    peer = Peer()
    for number, (objective, _, _) in enumerate(BAD_ENDS):
        peer.offer(f"workers_trials:{objective}", attempt=f"s1-t{number}-a1")
    home = tmp_path_factory.mktemp("bad")
    worker = Started(["run", "--name=w1", "--preimport=none"], home, peer)
    yield peer, worker
    worker.close()
    peer.close()


@pytest.mark.parametrize("number", range(len(BAD_ENDS)), ids=[end[0] for end in BAD_ENDS])
def test_every_bad_end_has_its_cause_and_says_what_happened(
    bad_ends: tuple[Peer, Started], number: int
) -> None:
    (peer, worker), (_, cause, text) = bad_ends, BAD_ENDS[number]
    finish = peer.wait_finish(f"s1-t{number}-a1", 30)
    folder = worker.run_dir(trial=number)
    wait_until(lambda: (folder / "trial.json").exists(), "no trial.json", seconds=5)

    assert (finish["outcome"], finish["cause"]) == ("failed", cause)
    assert text in finish["error"]
    assert "workers/trial/child.py" not in finish["error"]
    assert finish["values"] == []
    run = read_run(Place(folder))
    assert run["status"] == "failure"
    assert "objective" not in run["scalars"]


@pytest.mark.parametrize("status", [400, 413, 418, 422])
@pytest.mark.parametrize("objective", ["reporter", "chatty_end"], ids=["report", "finish"])
def test_what_the_server_does_not_take_of_a_trial_is_its_own_error_with_the_servers_words(
    peer: Peer, start: Start, status: int, objective: str
) -> None:
    peer.refused["s1-t0-a1"] = status
    peer.offer(f"workers_trials:{objective}")
    worker = start()
    (finish,) = peer.wait_finish("s1-t0-a1"), *peer.finishes["s1-t0-a1"][1:]
    peer.offer("workers_trials:noop", attempt="s1-t1-a1")

    assert peer.wait_finish("s1-t1-a1")["outcome"] == "complete", "the worker works on"
    assert (finish["outcome"], finish["cause"], finish["points"]) == ("failed", "error", [])
    assert finish["error"].startswith("the server refused what this trial ")
    assert finish["error"].endswith(f"{status} that is too much")
    wait_until((worker.run_dir() / "trial.json").exists, "no trial.json", seconds=5)


@pytest.mark.parametrize("status", [404, 409, 410])
def test_a_fenced_trial_is_killed_and_leaves_no_objective(
    peer: Peer, start: Start, status: int
) -> None:
    peer.offer("workers_trials:who")
    worker = start()
    pid = read_pid(worker.run_dir() / "trial")
    peer.fenced["s1-t0-a1"] = status
    wait_dead(pid, 5)
    peer.offer("workers_trials:noop", attempt="s1-t1-a1")

    assert peer.wait_finish("s1-t1-a1")["outcome"] == "complete", "the worker works on"
    assert peer.finishes["s1-t0-a1"] == []
    run = read_run(Place(worker.run_dir()))
    assert "objective" not in run["scalars"]
    assert run["status"] is None
