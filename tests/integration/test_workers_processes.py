"""The process of a trial: what it can see, what it leaves, which numbers it draws."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.integration.workers_peer import TOKEN, Peer
from tests.integration.workers_process import (
    ROOT,
    Start,
    Started,
    is_alive,
    kill,
    read_pid,
    wait_dead,
)
from tests.support.patience import wait_until
from tests.support.training.gpu_library import make_gpu_library
from tuner.local.doctor.gpus import look_at_gpus
from tuner.roots import Place
from tuner.service.logfile import read_log
from tuner.settings import load_settings


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_no_token_reaches_a_trial_or_a_file(peer: Peer, start: Start, isolation: str) -> None:
    peer.offer("workers_trials:environment")
    worker = start(f"--isolation={isolation}", SECRET_FREE="yes")
    peer.wait_finish("s1-t0-a1")
    wait_until(lambda: (worker.run_dir() / "trial.json").exists(), "no trial.json", seconds=5)

    output = (worker.run_dir() / "output.log").read_text()
    assert "CUDA -1" in output
    # The trial's own channel is the only socket it has.
    assert "SOCKETS 1" in output
    assert "HANDED ON 0" in output
    holders = [
        p for p in worker.home.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()
    ]
    assert holders == []
    assert TOKEN.encode() not in Path(f"/proc/{worker.pid}/environ").read_bytes()


def test_output_is_kept_and_cut_at_ten_megabytes(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:chatty")
    worker = start()
    peer.wait_finish("s1-t0-a1", 30)

    log = worker.run_dir() / "output.log"
    assert log.read_text().endswith("the end\n")
    assert log.stat().st_size < 20_000_000
    moved = worker.run_dir() / "output.log.1"
    assert moved.exists()
    gone = int((worker.run_dir() / "output.log.gone").read_text())
    kept = read_log(Place(log.parent), 0, 1)
    assert kept["gone"] == gone
    assert kept["size"] == gone + moved.stat().st_size + log.stat().st_size


def test_what_a_trial_started_ends_with_it(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:leaves_children")
    worker = start()
    peer.wait_finish("s1-t0-a1")

    wait_dead(read_pid(worker.run_dir() / "grandchild"))


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_daemon_ends_with_its_trial_and_is_named(
    peer: Peer, start: Start, isolation: str
) -> None:
    peer.offer("workers_trials:leaves_a_daemon")
    worker = start(f"--isolation={isolation}")
    finish = peer.wait_finish("s1-t0-a1")
    pid = read_pid(worker.run_dir() / "daemon")

    wait_dead(pid)
    assert finish["outcome"] == "complete"
    said = worker.wait_log("processes left behind")["reason"]
    assert f"(process {pid})" in said
    assert f"tuner: {said}" in (worker.run_dir() / "output.log").read_text()


#: Says that a GPU has 2 GB less as long as the daemon of the only trial lives.
PYNVML = """
from pathlib import Path
LOGS = Path(__file__).parent / "home/logs"
class NVMLError(Exception): pass
def nvmlInit(): pass
def nvmlSystemGetDriverVersion(): return "580.1"
def nvmlDeviceGetName(handle): return "GPU"
def nvmlDeviceGetCudaComputeCapability(handle): return (9, 0)
def nvmlDeviceGetHandleByUUID(uuid): return uuid
def nvmlDeviceGetMemoryInfo(handle):
    pids = [path.read_text() for path in LOGS.glob("*/*/*/daemon")]
    lives = any(Path(f"/proc/{pid}").exists() for pid in pids)
    return type("Memory", (), {"total": 8 * 10**9, "used": 10**9 + 2 * 10**9 * lives})
"""


def test_the_memory_of_a_gpu_that_a_daemon_held_is_named(
    peer: Peer, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "pynvml.py").write_text(PYNVML)
    path = os.pathsep.join([str(tmp_path), str(ROOT), str(ROOT / "tests/integration")])
    peer.offer("workers_trials:leaves_a_daemon")
    worker = start("--device=gpu:GPU-1", PYTHONPATH=path)
    peer.wait_finish("s1-t0-a1")

    said = worker.wait_log("processes left behind")["reason"]
    assert said.endswith("; with it 2,000 MB of memory of GPU GPU-1 came free")


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_the_doctor_knows_a_trial_that_has_memory_of_a_gpu_from_a_stranger(
    peer: Peer, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolation: str
) -> None:
    library = make_gpu_library(tmp_path / "library", ["GPU-1"])
    monkeypatch.syspath_prepend(str(library))
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    peer.offer("workers_trials:who")
    worker = start(f"--isolation={isolation}")
    trial = read_pid(worker.run_dir() / "trial")

    (library / "holders").write_text(str(trial))
    (found,) = look_at_gpus(load_settings({"TUNER_HOME": str(tmp_path / "home")}))
    assert found.level == "ok", found
    (library / "holders").write_text(f"{trial} {os.getpid()}")
    (found,) = look_at_gpus(load_settings({"TUNER_HOME": str(tmp_path / "home")}))
    assert f"by pid {os.getpid()} (" in found.text


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_trial_sees_exactly_the_gpus_of_its_worker_in_their_order(
    peer: Peer, start: Start, tmp_path: Path, isolation: str
) -> None:
    library = make_gpu_library(tmp_path / "library", ["GPU-1", "GPU-2", "GPU-3"])
    path = os.pathsep.join([str(library), str(ROOT), str(ROOT / "tests/integration")])
    peer.offer("workers_trials:names_its_devices", devices=2)
    worker = start("--device=gpu:GPU-3,GPU-1", f"--isolation={isolation}", PYTHONPATH=path)
    peer.wait_finish("s1-t0-a1")

    noted = json.loads((worker.run_dir() / "devices").read_text())
    assert noted == {"given": ["GPU-3", "GPU-1"], "seen": "GPU-3,GPU-1"}
    config = json.loads((worker.run_dir() / "config.json").read_text())
    assert [device["uuid"] for device in config["devices"]] == ["GPU-3", "GPU-1"]
    assert config["environment"]["CUDA_VISIBLE_DEVICES"] == "GPU-3,GPU-1"


@pytest.mark.slow
def test_a_daemon_ends_with_a_trial_that_is_cancelled(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:waits_with_a_daemon", timeout_s=3)
    worker = start()
    pid = read_pid(worker.run_dir() / "daemon")
    assert is_alive(pid)
    assert peer.wait_finish("s1-t0-a1")["cause"] == "timeout"

    wait_dead(pid)


def test_a_daemon_of_a_worker_that_is_killed_ends_with_its_supervisors_help(
    peer: Peer, tmp_path: Path
) -> None:
    peer.offer("workers_trials:waits_with_a_daemon")
    control = tmp_path / "control.json"
    arguments = ["fleet", "--count=1", f"--control={control}", "--gpus=none", "--preimport=none"]
    fleet = Started(arguments, tmp_path / "home", peer)
    try:
        pid = read_pid(fleet.run_dir() / "daemon")
        worker = json.loads((tmp_path / "control.json.state").read_text())["workers"][0]["pid"]
        kill(worker)
        wait_dead(pid)
    finally:
        fleet.terminate()
        fleet.wait()


def test_daemons_that_end_by_themselves_leave_no_trace(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:has_had_daemons")
    worker = start()

    assert peer.wait_finish("s1-t0-a1")["values"] == [0.0]
    assert not [line for line in worker.logs() if line["message"] == "processes left behind"]


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_trial_dies_with_its_worker(peer: Peer, start: Start, isolation: str) -> None:
    peer.offer("workers_trials:who")
    worker = start(f"--isolation={isolation}")
    pid = read_pid(worker.run_dir() / "trial")
    assert is_alive(pid)
    kill(worker.pid)

    wait_dead(pid, 3)


def test_a_forked_and_a_spawned_trial_draw_the_same_seeded_numbers(
    peer: Peer, start: Start
) -> None:
    peer.offer("workers_trials:random_numbers", attempt="s1-t0-a1")
    peer.offer("workers_trials:random_numbers", attempt="s1-t1-a1", seed=8)
    start(name="w1")
    forked = peer.wait_finish("s1-t0-a1")["metrics"]
    assert forked != peer.wait_finish("s1-t1-a1")["metrics"]
    peer.offer("workers_trials:random_numbers", attempt="s1-t2-a1")
    start("--isolation=spawn", name="w2").wait_log("worker ready")
    peer.offer("workers_trials:random_numbers", attempt="s1-t3-a1")

    assert peer.wait_finish("s1-t2-a1")["metrics"] == forked
    assert peer.wait_finish("s1-t3-a1")["metrics"] == forked


def test_unseeded_forks_do_not_repeat_each_other(peer: Peer, start: Start) -> None:
    for number in (0, 1):
        peer.offer(
            "workers_trials:random_numbers",
            attempt=f"s1-t{number}-a1",
            reproducibility="off",
        )
    start()

    assert peer.wait_finish("s1-t0-a1")["metrics"] != peer.wait_finish("s1-t1-a1")["metrics"]
