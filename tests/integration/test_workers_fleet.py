"""A real supervisor with real workers: respawn, scaling, deaths."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import ROOT, Started, is_alive, kill, read_pid, wait_dead
from tests.support.patience import clock, hold, wait_until
from tests.support.training.gpu_library import make_gpu_library


class Fleet(Started):
    """A supervisor, with its files."""

    def __init__(self, count: int, home: Path, peer: Peer, *arguments: str, **environ: str) -> None:
        self.control = home / "fleet.json"
        command = ["fleet", f"--count={count}", f"--control={self.control}", "--preimport=none"]
        super().__init__([*command, *arguments], home, peer, **environ)

    def scale(self, count: int) -> None:
        self.control.write_text(json.dumps({"count": count}))

    def workers(self) -> list[dict[str, Any]]:
        path = self.control.with_name("fleet.json.state")
        workers: list[dict[str, Any]] = (
            json.loads(path.read_text())["workers"] if path.exists() else []
        )
        return workers

    def wait_states(self, *states: str) -> list[dict[str, Any]]:
        expected = sorted(states)
        wait_until(
            lambda: sorted(worker["state"] for worker in self.workers()) == expected,
            f"not {expected} but {self.workers()}",
            seconds=30,
        )
        return self.workers()


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def start(peer: Peer, tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    fleets: list[Fleet] = []

    def start(count: int, *arguments: str) -> Fleet:
        fleets.append(Fleet(count, tmp_path / "home", peer, *arguments))
        return fleets[-1]

    yield start
    for fleet in fleets:
        fleet.close()


def test_a_fleet_scales_up_and_down_and_a_busy_worker_goes_last(
    peer: Peer, start: Callable[..., Fleet]
) -> None:
    fleet = start(2)
    fleet.wait_states("idle", "idle")
    peer.offer("workers_trials:reporter")
    busy = next(w for w in fleet.wait_states("busy", "idle") if w["state"] == "busy")
    fleet.scale(3)
    fleet.wait_states("busy", "idle", "idle")
    fleet.scale(1)
    (left,) = fleet.wait_states("busy")
    assert left["name"] == busy["name"]
    assert peer.finishes["s1-t0-a1"] == [], "the trial was not disturbed"

    fleet.scale(0)
    finish = peer.wait_finish("s1-t0-a1", 10)
    assert finish["cause"] == "preempted"
    fleet.wait_states()
    fleet.scale(1)
    fleet.wait_states("idle")


def test_a_killed_worker_comes_back_in_its_slot_and_its_trial_dies(
    peer: Peer, start: Callable[..., Fleet]
) -> None:
    fleet = start(2)
    fleet.wait_states("idle", "idle")
    peer.offer("workers_trials:waits_with_child")
    before = fleet.wait_states("busy", "idle")
    busy = next(w for w in before if w["state"] == "busy")
    trial = read_pid(fleet.run_dir() / "trial")
    grandchild = read_pid(fleet.run_dir() / "grandchild")
    kill(busy["pid"])
    wait_dead(trial, 5)
    wait_dead(grandchild, 5)
    after = fleet.wait_states("idle", "idle")

    again = next(w for w in after if w["slot"] == busy["slot"])
    assert (again["name"], again["device"]) == (busy["name"], busy["device"])
    assert again["pid"] != busy["pid"]


def test_sigterm_preempts_all_trials_and_ends_the_fleet(
    peer: Peer, start: Callable[..., Fleet]
) -> None:
    fleet = start(2)
    for number in (0, 1):
        peer.offer("workers_trials:reporter", attempt=f"s1-t{number}-a1")
    workers = fleet.wait_states("busy", "busy")
    asked = clock()
    fleet.terminate()

    assert fleet.wait(20) == 0
    assert clock() - asked < 14
    assert [peer.wait_finish(f"s1-t{n}-a1")["cause"] for n in (0, 1)] == ["preempted"] * 2
    assert not any(is_alive(worker["pid"]) for worker in workers)
    assert fleet.workers() == []


def test_workers_and_trials_die_with_a_killed_supervisor(
    peer: Peer, start: Callable[..., Fleet]
) -> None:
    fleet = start(2)
    peer.offer("workers_trials:who")
    workers = fleet.wait_states("busy", "idle")
    trial = read_pid(fleet.run_dir() / "trial")
    kill(fleet.pid)

    for pid in (trial, *(worker["pid"] for worker in workers)):
        wait_dead(pid, 5)


def test_a_fleet_gives_its_workers_other_gpus_and_never_one_gpu_to_two(
    peer: Peer, tmp_path: Path
) -> None:
    library = make_gpu_library(tmp_path / "library", [f"GPU-{n}" for n in range(6)])
    path = os.pathsep.join([str(library), str(ROOT)])
    home = tmp_path / "home"
    fleet = Fleet(2, home, peer, "--gpus-per-worker=3", PYTHONPATH=path)
    try:
        threes = fleet.wait_states("idle", "idle")
        fleet.control.write_text(json.dumps({"count": 3, "gpus_per_worker": 2}))
        wait_until(
            lambda: _sizes(fleet) == [2, 2, 2], f"not three pairs: {fleet.workers()}", seconds=30
        )
        pairs = fleet.wait_states("idle", "idle", "idle")
        fleet.control.write_text(json.dumps({"count": 1, "gpus_per_worker": 7}))
        fleet.wait_log("workers keep their GPUs")
        fleet.wait_states("idle")
    finally:
        fleet.close()

    assert [worker["device"] for worker in threes] == [
        "gpu:GPU-0,GPU-1,GPU-2",
        "gpu:GPU-3,GPU-4,GPU-5",
    ]
    owned = [uuid for worker in pairs for uuid in worker["device"][4:].split(",")]
    assert sorted(owned) == [f"GPU-{n}" for n in range(6)]


def _sizes(fleet: Fleet) -> list[int]:
    return [len(worker["device"].split(",")) for worker in fleet.workers()]


def test_a_drained_worker_is_not_started_again(peer: Peer, start: Callable[..., Fleet]) -> None:
    fleet = start(1)
    fleet.wait_states("idle")
    peer.drain = True
    fleet.wait_states()

    hold(lambda: fleet.workers() == [], "none is started", seconds=1.5)
    assert fleet.process.poll() is None


def test_a_fleet_for_one_attempt_each_ends_well_when_its_workers_have_left(
    peer: Peer, start: Callable[..., Fleet]
) -> None:
    for number in range(3):
        peer.offer("workers_trials:noop", attempt=f"s1-t{number}-a1")
    fleet = start(2, "--attempts=1", "--idle=10")

    assert fleet.wait(30) == 0
    assert sum(bool(found) for found in peer.finishes.values()) == 2
    assert fleet.workers() == []


def test_a_fleet_for_one_attempt_that_the_server_refuses_ends_with_the_reason(
    peer: Peer, start: Callable[..., Fleet]
) -> None:
    peer.config["protocol"] = 9
    fleet = start(1, "--attempts=1", "--idle=60")

    assert fleet.wait(20) == 3
    assert "protocol 9" in fleet.wait_log("worker cannot work here, not started again")["reason"]


def test_a_fleet_that_no_worker_can_serve_ends_with_the_reason(
    peer: Peer, start: Callable[..., Fleet]
) -> None:
    fleet = start(1)
    peer.token = "another"

    assert fleet.wait(20) == 4
    assert fleet.wait_log("worker is not let in")


def test_a_worker_that_does_not_fit_the_server_is_started_again_until_one_does(
    peer: Peer, start: Callable[..., Fleet]
) -> None:
    peer.config["protocol"] = 9
    fleet = start(1)
    fleet.wait_log("worker refused by the server")
    wait_until(
        lambda: "speaks protocol 9" in fleet.workers()[0]["reason"],
        "the state says no reason",
        seconds=10,
    )
    peer.config["protocol"] = 1
    (worker,) = fleet.wait_states("idle")

    assert worker["reason"] == ""
    ends = [line for line in fleet.logs() if "respawn_s" in line]
    assert {line["status"] for line in ends} == {3}
    assert [line["respawn_s"] for line in ends] == [0.2 * 2**n for n in range(len(ends))]


def test_a_gpu_that_is_not_there_is_named(peer: Peer, start: Callable[..., Fleet]) -> None:
    fleet = start(1, "--gpus=GPU-0000")

    assert fleet.wait(20) == 2
    assert "GPU-0000" in fleet.wait_log("not started")["reason"]


def test_workers_that_are_too_many_may_end_their_trials_first(
    peer: Peer, start: Callable[..., Fleet]
) -> None:
    fleet = start(1)
    fleet.wait_states("idle")
    peer.offer("workers_trials:checkpoints")
    fleet.wait_states("busy")
    fleet.control.write_text(json.dumps({"count": 0, "after_trial": True}))
    fleet.wait_states("leaving")

    assert peer.wait_finish("s1-t0-a1", 20)["values"] == [60.0]
    fleet.wait_states()


def test_sigusr1_lets_a_fleet_end_its_trials_and_sigterm_then_gives_them_back(
    peer: Peer, start: Callable[..., Fleet]
) -> None:
    fleet = start(1)
    fleet.wait_states("idle")
    peer.offer("workers_trials:reporter")
    fleet.wait_states("busy")
    os.kill(fleet.pid, signal.SIGUSR1)
    fleet.wait_states("leaving")
    told = len(peer.reports["s1-t0-a1"])
    wait_until(lambda: len(peer.reports["s1-t0-a1"]) > told + 50, "it does not go on", seconds=30)
    assert peer.finishes["s1-t0-a1"] == [], "the trial was not disturbed"
    fleet.terminate()

    assert peer.wait_finish("s1-t0-a1", 10)["cause"] == "preempted"
    assert fleet.wait(20) == 0
