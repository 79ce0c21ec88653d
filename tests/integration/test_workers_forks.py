"""The process that trials are forked from: what it survives, and what its loss costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import HERE, ROOT, Start, Started, kill, read_pid, wait_dead
from tests.support.patience import wait_until
from tests.support.processes import children, fork_server

NO_MORE = "no fork server: trials get a fresh interpreter"


def forks_of(worker: Started) -> int:
    """Return the process that the worker's trials are forked from, once it is there."""
    wait_until(lambda: fork_server(worker.pid), "no fork server", seconds=30)
    found = fork_server(worker.pid)
    assert found is not None
    return found


def was_fork(worker: Started, trial: int) -> bool:
    (line,) = [
        line
        for line in worker.logs()
        if line["message"] == "trial started" and line["trial"] == trial
    ]
    return bool(line["fork"])


def run(peer: Peer, number: int, objective: str = "noop", **fields: Any) -> dict[str, Any]:
    attempt = peer.offer(f"workers_trials:{objective}", attempt=f"s1-t{number}-a1", **fields)
    finish = peer.wait_finish(attempt, 60)
    assert finish["outcome"] == "complete", finish["error"]
    return finish


def test_every_trial_is_a_fork_of_one_process_and_a_child_of_the_worker(
    peer: Peer, start: Start
) -> None:
    worker = start()
    forks = forks_of(worker)
    for number in range(3):
        run(peer, number, "leaves_a_daemon")
    peer.offer("workers_trials:who", attempt="s1-t3-a1")
    trial = read_pid(worker.run_dir(trial=3) / "trial")

    assert all(was_fork(worker, number) for number in range(4))
    assert set(children(worker.pid)) == {forks, trial}
    assert os.getpgid(trial) == os.getsid(trial) == trial
    assert children(forks) == [], "what a fork needed in between is gone"


def test_a_fork_server_that_dies_costs_no_trial_and_is_replaced(peer: Peer, start: Start) -> None:
    worker = start()
    forks = forks_of(worker)
    peer.offer("workers_trials:who", attempt="s1-t0-a1", params={"sleep": 1.5})
    read_pid(worker.run_dir() / "trial")
    kill(forks)

    assert peer.wait_finish("s1-t0-a1")["outcome"] == "complete"
    run(peer, 1)
    assert forks_of(worker) != forks
    numbers = iter(range(2, 200))
    wait_until(lambda: _is_forked_again(peer, worker, next(numbers)), "no fork", seconds=60)
    assert worker.process.poll() is None
    assert "processes left behind" not in {line["message"] for line in worker.logs()}


def _is_forked_again(peer: Peer, worker: Started, number: int) -> bool:
    run(peer, number)
    return was_fork(worker, number)


def test_a_fork_server_that_hangs_is_given_up(peer: Peer, start: Start) -> None:
    worker = start()
    run(peer, 0)
    forks = forks_of(worker)
    os.kill(forks, signal.SIGSTOP)
    run(peer, 1)

    assert (was_fork(worker, 0), was_fork(worker, 1)) == (True, False)
    assert worker.wait_log(NO_MORE)["reason"] == "it does not answer"
    wait_dead(forks)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_that_a_scheduler_sends_to_all_is_for_the_worker(
    peer: Peer, start: Start, number: signal.Signals
) -> None:
    worker = start()
    peer.offer("workers_trials:who", attempt="s1-t0-a1", params={"sleep": 1.5})
    read_pid(worker.run_dir() / "trial")
    forks = forks_of(worker)
    os.kill(forks, number)
    finish = peer.wait_finish("s1-t0-a1")
    run(peer, 1)

    assert finish["outcome"] == "complete"
    assert forks_of(worker) == forks
    assert was_fork(worker, 1)


def test_the_fork_server_and_the_trial_die_with_their_worker(peer: Peer, start: Start) -> None:
    worker = start()
    peer.offer("workers_trials:who")
    trial, forks = read_pid(worker.run_dir() / "trial"), forks_of(worker)
    kill(worker.pid)

    wait_dead(forks)
    wait_dead(trial)


def test_a_worker_whose_imports_crash_runs_trials_all_the_same(
    peer: Peer, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'workers.trial.fork_server' in sys.orig_argv: os.abort()\n"
    )
    worker = start(PYTHONPATH=os.pathsep.join(map(str, (tmp_path, ROOT, HERE))))
    run(peer, 0)

    assert not was_fork(worker, 0)
    assert worker.wait_log(NO_MORE)["reason"] == "it died"


#: A worker that is killed, or gives up, between the fork of a trial and its task.
BETWEEN = """
import os, socket, sys, time
from workers.host.orphans import adopt_orphans
from workers.trial.fork_client import ForkClient

adopt_orphans()
forks = ForkClient("none", "w1")
forks.wait_ready()
ours, theirs = socket.socketpair()
pid = forks.fork(theirs)
theirs.close()
for _ in range(3000):
    name = open(f"/proc/{pid}/comm").read().strip()
    if name == "tuner-trial":
        break
    time.sleep(0.01)
print(pid, name, flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), 9)
ours.close()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize("way", ["killed", "gives up"])
def test_a_fork_whose_worker_is_gone_before_it_has_a_task_ends(way: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BETWEEN, way], cwd=ROOT, capture_output=True, text=True, check=False
    )
    pid, name, *status = done.stdout.split()

    wait_dead(int(pid))
    assert name == "tuner-trial", "ps tells what it is"
    assert status == ([] if way == "killed" else ["1"]), done.stderr
