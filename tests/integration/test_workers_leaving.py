"""How a worker leaves: asked by a signal or by the server, alone or with a trial."""

from __future__ import annotations

import os
import signal
import time

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Start, read_pid
from tests.support.patience import clock, wait_until
from tuner.roots import Place
from tuner.tfevents import read_run
from workers.host.shutdown import SAME_SIGNAL_S


def test_sigterm_preempts_the_trial_which_continues_elsewhere(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:checkpoints")
    worker = start()
    wait_until(lambda: len(peer.reports["s1-t0-a1"]) >= 5, "no report", seconds=20)
    worker.terminate()
    finish = peer.wait_finish("s1-t0-a1", 5)
    assert (finish["outcome"], finish["cause"]) == ("failed", "preempted")
    assert worker.wait(5) == 0

    seen = peer.reports["s1-t0-a1"] + finish["points"]
    # The step that was stopped was saved but not reported.
    curve = [{"step": p["step"], "value": p["value"], "metrics": {}} for p in seen]
    checkpoint = "vision/digits/trial_00000"
    peer.offer(
        "workers_trials:checkpoints",
        attempt="s1-t0-a2",
        curve=curve,
        checkpoint_dir=checkpoint,
    )
    second = start(name="w2")
    finish = peer.wait_finish("s1-t0-a2", 20)
    wait_until(lambda: (second.run_dir(2) / "trial.json").exists(), "no trial.json", seconds=5)

    assert finish["values"] == [60.0]
    steps = [point[0] for point in read_run(Place(second.run_dir(2)))["scalars"]["score"]]
    assert len(steps) == len(set(steps))
    assert steps[0] == 1
    assert steps[-1] == 60


def test_an_idle_worker_leaves_at_once(peer: Peer, start: Start) -> None:
    worker = start()
    worker.wait_log("worker ready")
    wait_until(lambda: peer.unanswered, "it has asked for work", seconds=10)
    asked = clock()
    worker.terminate()

    assert worker.wait(5) == 0
    assert clock() - asked < 1


def test_a_second_signal_kills_the_trial_now(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:deaf")
    worker = start()
    wait_until(lambda: (worker.run_dir() / "started").exists(), "not started", seconds=20)
    worker.terminate()
    worker.wait_log("trial asked to end")
    # Two signals within a second are one.
    time.sleep(SAME_SIGNAL_S)
    worker.terminate()
    finish = peer.wait_finish("s1-t0-a1", 3)

    assert finish["cause"] == "preempted"
    assert worker.wait(5) == 0


def test_a_sigterm_to_the_trial_alone_is_left_to_the_worker(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:hears_sigterm")
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["outcome"] == "complete", finish["error"]
    assert finish["values"] == [-signal.SIGTERM], "what the trial forked ends as ever"


def test_a_worker_for_one_attempt_runs_one_says_that_it_leaves_and_ends_well(
    peer: Peer, start: Start
) -> None:
    for number in (0, 1):
        peer.offer("workers_trials:noop", attempt=f"s1-t{number}-a1")
    worker = start("--attempts=1")

    assert worker.wait(20) == 0
    assert peer.wait_finish("s1-t0-a1", 1)["outcome"] == "complete"
    assert not peer.finishes["s1-t1-a1"], "it took another one"
    assert worker.wait_log("worker leaves")["reason"] == "1 of 1 attempts are done"
    assert peer.beats[-1]["state"] == "stopping", "the server would count on it"


def test_a_failed_attempt_counts_as_one(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:exits")
    worker = start("--attempts=1")

    assert worker.wait(20) == 0
    assert peer.wait_finish("s1-t0-a1", 1)["outcome"] == "failed"


def test_a_worker_that_finds_nothing_leaves_and_ends_well(peer: Peer, start: Start) -> None:
    worker = start("--attempts=1", "--idle=1")

    assert worker.wait(20) == 0
    assert worker.wait_log("worker leaves")["reason"] == "there was no attempt for 1 s"


def test_a_drained_worker_ends_its_trial_and_leaves(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:checkpoints")
    worker = start()
    wait_until(lambda: peer.reports["s1-t0-a1"], "no report", seconds=20)
    peer.drain = True

    assert peer.wait_finish("s1-t0-a1", 20)["values"] == [60.0]
    assert worker.wait(5) == 0


def test_a_command_that_dies_with_the_signal_to_its_worker_is_preempted(
    peer: Peer, start: Start
) -> None:
    """A scheduler that ends a job sends SIGTERM to all its processes."""
    path = "os.environ['TUNER_RUN_DIR'] + '/command'"
    note = f"import os, time; open({path}, 'w').write(str(os.getpid()))"
    peer.offer("command", command=["python", "-c", f"{note}; time.sleep(600)"])
    worker = start()
    command = read_pid(worker.run_dir() / "command")
    os.kill(command, signal.SIGTERM)
    worker.terminate()
    finish = peer.wait_finish("s1-t0-a1", 5)

    assert (finish["outcome"], finish["cause"]) == ("failed", "preempted")
    assert worker.wait(5) == 0


def test_a_worker_that_may_not_wait_for_ever_says_that_no_server_answers(start: Start) -> None:
    worker = start("--idle=1", TUNER_API_URL="http://127.0.0.1:1")

    assert worker.wait(30) == 5
    assert "has not answered for 1 s" in worker.wait_log("worker leaves")["reason"]


def test_sigusr1_lets_a_worker_end_its_trial_before_it_leaves(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:checkpoints")
    worker = start()
    wait_until(lambda: peer.reports["s1-t0-a1"], "no report", seconds=20)
    worker.process.send_signal(signal.SIGUSR1)
    peer.offer("workers_trials:noop", attempt="s1-t1-a1")

    assert peer.wait_finish("s1-t0-a1", 20)["values"] == [60.0]
    assert worker.wait(5) == 0
    assert peer.finishes["s1-t1-a1"] == [], "it takes no further trial"


def test_an_idle_worker_leaves_at_once_on_sigusr1_and_says_so(peer: Peer, start: Start) -> None:
    worker = start()
    worker.wait_log("worker ready")
    wait_until(lambda: "idle" in states(peer), "no beat", seconds=20)
    worker.process.send_signal(signal.SIGUSR1)

    assert worker.wait(5) == 0
    assert states(peer)[-1] == "stopping"


def test_a_worker_says_that_it_starts_before_it_imports(peer: Peer, start: Start) -> None:
    start()
    wait_until(lambda: "idle" in states(peer), "no beat", seconds=20)

    assert states(peer)[0] == "starting"


def states(peer: Peer) -> list[str]:
    """Return what workers said that they were doing."""
    return [beat["state"] for beat in list(peer.beats)]
