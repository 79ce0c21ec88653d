"""Workers as actors of a real Ray, whose Python has no Tuner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers_process import is_alive, wait_dead
from tests.schedulers.launched import Cluster, opened
from tests.schedulers.ray_lab import RayCluster, ray_or_skip
from tests.support.service_process import ServiceProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def ray() -> Iterator[RayCluster]:
    with ray_or_skip() as ray:
        yield ray


@pytest.fixture
def cluster(ray: RayCluster, service: ServiceProcess, tmp_path: Path) -> Iterator[Cluster]:
    with opened(service, tmp_path, HOME=str(ray.folder)) as cluster:
        yield cluster


def launch(cluster: Cluster, ray: RayCluster, *options: object) -> dict[str, Any]:
    where = ("--address", ray.address, "--ray-python", ray.python)
    return cluster.launch_json("ray", *where, *options)


def ask(ray: RayCluster, launched: dict[str, Any], verb: str) -> dict[str, Any]:
    """Run the script of the launch with Ray's own Python, as the command says."""
    command = [*launched["stop"][:-1], verb]
    done = subprocess.run(command, env=ray.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_study_ends_whole_although_an_actor_is_killed_in_the_middle_of_a_trial(
    ray: RayCluster, cluster: Cluster
) -> None:
    assert subprocess.run([ray.python, "-c", "import tuner"], check=False, capture_output=True,
                          env=ray.environ, cwd="/").returncode == 1  # fmt: skip
    cluster.submit()
    launched = launch(cluster, ray, "--workers", 2)
    assert launched["running"] == ["tuner-0", "tuner-1"]
    child = ask(ray, launched, "list")["tuner-0"]["pid"]
    actor = parent(child)
    taken = cluster.wait_busy(lambda name: name.startswith("tuner-0-"))
    os.kill(actor, signal.SIGKILL)
    wait_dead(child, 10)

    attempts = cluster.require_everything_once()

    ended = [a for a in attempts if a["state"] != "done"]
    assert [(a["trial"], a["state"], a["cause"]) for a in ended] == [
        (taken["trial"], "lost", "lost")
    ]
    # Ray has started the actor again, and it a worker of another name.
    names = {*cluster.workers(), *(attempt["worker"] for attempt in attempts)}
    assert len([name for name in names if name.startswith("tuner-0-")]) == 2

    now = ask(ray, launched, "list")
    assert ask(ray, launched, "stop") == {"stopped": ["tuner-0", "tuner-1"]}
    assert not any(is_alive(found["pid"]) for found in now.values())
    assert ask(ray, launched, "list") == {}


def test_stopped_workers_give_their_trials_back(ray: RayCluster, cluster: Cluster) -> None:
    cluster.submit(objective="schedulers_trials:wait")
    launched = launch(cluster, ray, "--workers", 1, "--name", "short")
    taken = cluster.wait_busy(lambda name: name.startswith("short-"))
    ask(ray, launched, "stop")

    first = next(a for a in cluster.attempts() if a["trial"] == taken["trial"])
    assert (first["state"], first["cause"]) == ("failed", "preempted")


def test_a_worker_that_left_for_want_of_trials_is_not_started_again(
    ray: RayCluster, cluster: Cluster
) -> None:
    launched = launch(cluster, ray, "--workers", 1, "--name", "idle", "--idle", "1s")

    cluster.wait(lambda: ask(ray, launched, "list") == {}, "the actor has ended")


def test_what_no_node_has_is_said_at_once_and_nothing_runs(
    ray: RayCluster, cluster: Cluster
) -> None:
    where = ("--address", ray.address, "--ray-python", ray.python, "--workers", 2)

    python = cluster.launch("ray", *where, "--name", "lost", "--python", "/nowhere/bin/python")
    away = cluster.launch("ray", "--workers", 1, "--address", "127.0.0.1:1",
                          "--ray-python", ray.python)  # fmt: skip

    assert (python.code, len(python.err.splitlines())) == (2, 1), python
    assert "has no /nowhere/bin/python" in python.err
    assert (away.code, len(away.err.splitlines())) == (1, 1), away
    assert "no Ray answers at 127.0.0.1:1" in away.err
    assert not any(name.startswith("lost") for name in cluster.workers())


def test_a_name_that_is_taken_is_refused(ray: RayCluster, cluster: Cluster) -> None:
    launched = launch(cluster, ray, "--workers", 1, "--name", "taken")
    again = cluster.launch("ray", "--address", ray.address, "--ray-python", ray.python,
                           "--workers", 1, "--name", "taken")  # fmt: skip

    assert again.code == 2
    assert "already exist" in again.err
    assert ask(ray, launched, "stop") == {"stopped": ["taken-0"]}


def test_actors_without_room_are_told_of_and_start_when_there_is_some(
    ray: RayCluster, cluster: Cluster
) -> None:
    launched = launch(cluster, ray, "--workers", 2, "--cpus", 3, "--name", "wide")
    try:
        assert (len(launched["running"]), len(launched["waiting"])) == (1, 1)
    finally:
        ask(ray, launched, "stop")
