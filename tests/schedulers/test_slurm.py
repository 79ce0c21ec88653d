"""Workers as an array of jobs of a real Slurm."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.schedulers.launched import Cluster, opened
from tests.schedulers.slurm_lab import GPUS, Slurm, slurm_or_skip
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.training.gpu_library import make_gpu_library

#: Reports every tenth of a second until a signal ends it.
COMMAND = [
    "python",
    "-c",
    "import json, time\n"
    "for step in range(1, 6000):\n"
    "    print(json.dumps(dict(score=1.0, step=step)))\n"
    "    time.sleep(0.1)",
]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with slurm_or_skip() as slurm:
        yield slurm


@pytest.fixture
def cluster(slurm: Slurm, service: ServiceProcess, tmp_path: Path) -> Iterator[Cluster]:
    environ = {name: slurm.environ[name] for name in ("SLURM_CONF", "PATH")}
    with opened(service, tmp_path, **environ) as cluster:
        yield cluster


def logs(cluster: Cluster) -> str:
    return "\n".join(path.read_text() for path in (cluster.home / "launches").glob("*.log"))


def test_a_study_ends_whole_although_slurm_requeues_a_worker_in_the_middle_of_a_trial(
    slurm: Slurm, cluster: Cluster
) -> None:
    cluster.submit()
    job = cluster.launch_json("slurm", "--workers", 2)["job"]
    taken = cluster.wait_busy(lambda name: name == f"tuner-{job}-0-0")
    slurm.requeue(f"{job}_0")
    cluster.wait(lambda: f"tuner-{job}-0-1" in cluster.workers(), "the worker is back")

    attempts = cluster.require_everything_once()

    ended = [a for a in attempts if a["state"] != "done"]
    assert [(a["trial"], a["cause"]) for a in ended] == [(taken["trial"], "preempted")]
    # It went on from its checkpoint.
    again = next(a for a in attempts if a["trial"] == taken["trial"] and a["state"] == "done")
    assert int((cluster.service.log_root / again["run_dir"] / "first").read_text()) > 5
    assert {a["worker"] for a in attempts} >= {f"tuner-{job}-0-0", f"tuner-{job}-1-0"}
    slurm.run("scancel", job)
    cluster.wait(lambda: not slurm.run("squeue", "--noheader", f"--job={job}").strip(), "the end")


@pytest.mark.parametrize("way", [{"objective": "schedulers_trials:wait"}, {"command": COMMAND}])
def test_a_cancelled_job_gives_its_trial_back(
    slurm: Slurm, cluster: Cluster, way: dict[str, Any]
) -> None:
    """Slurm sends its signal to every process of a job, a trial's command as well."""
    cluster.submit(**way)
    job = cluster.launch_json("slurm", "--workers", 1, "--name", "short")["job"]
    taken = cluster.wait_busy(lambda name: name.startswith("short-"))
    slurm.run("scancel", job)
    cluster.wait(
        lambda: next(a["cause"] for a in cluster.attempts() if a["trial"] == taken["trial"]),
        "the attempt ends",
    )

    first = next(a for a in cluster.attempts() if a["trial"] == taken["trial"])
    assert (first["state"], first["cause"]) == ("failed", "preempted")


def test_before_its_time_limit_a_worker_leaves_and_gives_its_trial_back(
    slurm: Slurm, cluster: Cluster
) -> None:
    cluster.submit(objective="schedulers_trials:wait")
    # The signal comes a minute before the limit.
    job = cluster.launch_json("slurm", "--workers", 1, "--name", "brief", "--time", "2")["job"]
    cluster.wait(lambda: cluster.attempts(), "a trial begins")
    cluster.wait(lambda: not slurm.run("squeue", "--noheader", f"--job={job}").strip(), "the end")

    states = slurm.run("scontrol", "show", "job", job)
    assert "JobState=COMPLETED" in states, states
    assert [a["cause"] for a in cluster.attempts()] == ["preempted"]


def test_a_worker_that_slurm_preempts_gives_its_trial_back_and_is_started_again(
    slurm: Slurm, cluster: Cluster, tmp_path: Path
) -> None:
    cluster.submit(objective="schedulers_trials:wait")
    job = cluster.launch_json("slurm", "--workers", 1, "--name", "modest")["job"]
    cluster.wait_busy(lambda name: name.startswith("modest-"))
    output = f"--output={tmp_path}/urgent.log"
    slurm.run("sbatch", "--partition=urgent", "--exclusive", output, "--wrap=exec sleep 1")
    cluster.wait(lambda: cluster.attempts()[0]["finished"], "the attempt ends")

    assert [(a["state"], a["cause"]) for a in cluster.attempts()] == [("failed", "preempted")]
    cluster.wait(
        lambda: "Restarts=1" in slurm.run("scontrol", "show", "job", job), "Slurm requeues it"
    )
    slurm.run("scancel", job)


def test_each_worker_owns_the_gpus_that_slurm_gives_to_its_job(
    slurm: Slurm, cluster: Cluster, tmp_path: Path
) -> None:
    library = make_gpu_library(tmp_path / "library", [f"GPU-{n}" for n in range(GPUS)])
    cluster.environ["PYTHONPATH"] += f"{os.pathsep}{library}"
    trial = {"objective": "schedulers_trials:note_devices", "trial": {"gpus": 2}}
    cluster.submit(**trial, budget={"trials": 6})
    job = cluster.launch_json("slurm", "--workers", 2, "--gpus", 2, "--name", "pairs")["job"]
    cluster.wait(lambda: cluster.lab.status()["state"] == "finished", "the study ends")
    known = cluster.workers()
    slurm.run("scancel", job)

    owned: dict[str, set[str]] = {}
    for attempt in cluster.attempts():
        noted = json.loads((cluster.service.log_root / attempt["run_dir"] / "devices").read_text())
        assert noted["seen"] == ",".join(noted["given"])
        owned.setdefault(attempt["worker"], set()).add(noted["seen"])
    assert sorted(owned) == [f"pairs-{job}-0-0", f"pairs-{job}-1-0"]
    assert sorted(seen for each in owned.values() for seen in each) == [
        "GPU-0,GPU-1",
        "GPU-2,GPU-3",
    ]
    assert {known[name]["device"] for name in owned} == {"gpu"}


def test_no_token_stands_in_what_slurm_keeps_of_a_job(slurm: Slurm, cluster: Cluster) -> None:
    job = cluster.launch_json("slurm", "--workers", 1, "--name", "quiet")["job"]
    cluster.wait(lambda: f"quiet-{job}-0-0" in cluster.workers(), "the worker is there")
    kept = slurm.run("scontrol", "show", "job", job)
    kept += slurm.run("scontrol", "write", "batch_script", job, "-") + logs(cluster)
    files = [path for path in slurm.folder.rglob("*") if path.is_file()]
    found = b"".join(path.read_bytes() for path in files) + kept.encode()

    assert str(cluster.token).encode() in found, "the name of its file does"
    assert cluster.token.read_bytes().strip() not in found
    slurm.run("scancel", job)


def test_a_token_in_the_shell_that_submits_stays_there(slurm: Slurm, cluster: Cluster) -> None:
    cluster.environ["TUNER_TOKEN"] = TOKEN
    job = cluster.launch_json("slurm", "--workers", 1, "--name", "shell")["job"]
    cluster.wait(lambda: f"shell-{job}-0-0" in cluster.workers(), "the worker is there")
    files = [path for path in slurm.folder.rglob("*") if path.is_file()]

    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
    slurm.run("scancel", job)


def test_what_slurm_refuses_is_said_in_its_words(cluster: Cluster) -> None:
    done = cluster.launch("slurm", "--workers", 2, "--partition", "fast")

    assert done.code == 2
    assert done.err.startswith("tuner: Slurm does not take the job: ")
    assert "nvalid partition" in done.err
    assert "sinfo" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_node_without_the_shared_roots_says_so_and_runs_nothing(
    slurm: Slurm, cluster: Cluster, tmp_path: Path
) -> None:
    cluster.submit()
    script = tmp_path / "workers.sbatch"
    assert cluster.launch("slurm", "--workers", 1, "-o", script).code == 0
    elsewhere = tmp_path / "elsewhere"
    text = script.read_text()
    script.write_text(text.replace(str(cluster.service.log_root), str(elsewhere)))
    (cluster.home / "launches").mkdir(parents=True, exist_ok=True)
    slurm.run("sbatch", str(script))
    cluster.wait(lambda: "does not see the folder" in logs(cluster), "the worker says so")

    assert not elsewhere.exists()
    assert cluster.attempts() == []
