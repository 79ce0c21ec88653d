"""A running study while server and workers are replaced by those of the next release.

Both releases are whole source trees of their own, and everything runs as it does for users: `tuner
serve`, and a supervisor whose workers are started from what is installed at that moment.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers_process import Started
from tests.support.databases.lab import TUNER, assert_exact, read_shape
from tests.support.patience import wait_until
from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.service_process import TOKEN, Nursery, ServiceProcess
from tests.support.source_tree import add_migration, copy_tree
from tests.support.study_lab import Lab

OLD, NEW = "7.1.0", "7.2.0"
BUDGET = 16
OBJECTIVE = """
import time

def train(run):
    for step in range(1, 4):
        time.sleep(0.1)
        run.report(step, run.params["x"])
    return run.params["x"]
"""


class Served(ServiceProcess):
    """`tuner serve` of a source tree, on a port and a home that stay the same."""

    token = TOKEN

    @contextlib.contextmanager
    def release(self, tree: Path) -> Iterator[None]:
        """Serve from this tree; ended as an operator does it."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*TUNER, "serve", "--port", self.url.rpartition(":")[2]],
                env=self.environ(tree),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(lambda: self.is_ready(process), "the server does not answer", seconds=60)
            yield
        finally:
            process.terminate()
            assert process.wait(30) == 0, self.log.read_text()[-3000:]

    def is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether this process serves."""
        assert process.poll() is None, self.log.read_text()[-3000:]
        path = self.home / "service.json"
        return path.exists() and json.loads(path.read_text())["pid"] == process.pid

    def environ(self, tree: Path) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TUNER_")}
        return kept | {
            "TUNER_HOME": str(self.home),
            "TUNER_TOKEN": TOKEN,
            "TUNER_REDIS_URL": self.redis_url,
            "TUNER_DATABASE_URL": self.database_url,
            "PYTHONPATH": str(tree),
        }

    def workers(self, release: str) -> list[dict[str, Any]]:
        """Return the workers of a release, as `tuner workers list` shows them."""
        found: list[dict[str, Any]] = self.get("/workers")
        return [worker for worker in found if worker["release"] == release]


@pytest.fixture
def served(nursery: Nursery, tmp_path: Path, redis_url: str) -> Iterator[Served]:
    home = tmp_path / "server"
    home.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    served = Served(nursery, home, f"sqlite:///{home / 'tuner.db'}", redis_url, url=url)
    yield served
    served.close()


def submit(served: Served, tree: Path, folder: Path) -> Lab:
    """Submit a study with code of the user's, with the command of that release."""
    folder.mkdir()
    (folder / "objectives.py").write_text(OBJECTIVE)
    lab = Lab(served)
    spec = lab.spec(budget={"trials": BUDGET}, trial={"retries": 0})
    del spec["image"]
    (folder / "study.yaml").write_text(json.dumps(spec))
    environ = served.environ(tree) | {"TUNER_API_URL": served.url}
    command = [*TUNER, "submit", str(folder / "study.yaml")]
    subprocess.run(command, env=environ, cwd=folder, check=True, capture_output=True)
    return lab


def state_of(fleet: Started) -> list[dict[str, Any]]:
    """Return what the supervisor says of its workers."""
    workers: list[dict[str, Any]] = json.loads((fleet.home / "fleet.json.state").read_text())[
        "workers"
    ]
    return workers


@pytest.mark.slow  # Two servers and a supervisor with its workers start in earnest: 20 s.
def test_server_and_workers_are_upgraded_under_a_running_study(
    served: Served, tmp_path: Path
) -> None:
    old, new = copy_tree(tmp_path, OLD), copy_tree(tmp_path, NEW)
    revision = add_migration(new)
    installed = tmp_path / "installed"
    installed.symlink_to(old)
    fleet = None
    try:
        with served.release(old):
            lab = submit(served, old, tmp_path / "user")
            fleet = Started(
                [
                    "fleet",
                    "--count=2",
                    f"--control={tmp_path / 'fleet/fleet.json'}",
                    "--preimport=none",
                ],
                tmp_path / "fleet",
                served,
                PYTHONPATH=str(installed),
                TUNER_LOG_ROOT=str(served.log_root),
            )
            lab.wait(lambda: lab.status()["counts"]["complete"] >= 4, "the old release works")
            assert {w["release"] for w in served.get("/workers")} == {OLD}
        with served.release(new):
            assert [revision] in [
                [row[0] for row in rows] for rows in read_shape(served.database_url)["revisions"]
            ]
            lab.wait(
                lambda: all(w["reason"] for w in state_of(fleet)), "the supervisor names the reason"
            )
            for worker in state_of(fleet):
                assert worker["reason"] == f"its release {OLD} is older than the server's {NEW}"
            for worker in served.workers(OLD):
                assert worker["reason"] == state_of(fleet)[0]["reason"]
            before = lab.status()["counts"]
            assert before["complete"] < BUDGET, "there is something left to do"
            assert before["running"] == 0, "what they ran they have finished"
            newer = ProtocolWorker(served)
            assert run_with(newer, release="99.0") is not None, "a newer worker goes on"
            assert run_with(newer, release=OLD) is None, "an older one gets nothing"
            replace_link(installed, new)
            status = lab.wait_closed()
            names = {w["name"] for w in served.workers(NEW)}

            assert status["counts"]["complete"] == BUDGET
            assert len(names) == 2
            assert not [w for w in served.workers(OLD) if w["state"] not in ("gone", "draining")]
            trials = assert_exact(lab, BUDGET)
            assert [trial["attempts"] for trial in trials] == [1] * BUDGET, "nothing run twice"
            assert [w["state"] for w in state_of(fleet)] == ["idle", "idle"]
            assert [w["reason"] for w in state_of(fleet)] == ["", ""]
        statuses = [line["status"] for line in fleet.logs() if "respawn_s" in line]
        assert set(statuses) == {3}
    finally:
        if fleet is not None:
            fleet.terminate()
            fleet.wait()


def replace_link(link: Path, target: Path) -> None:
    """Install another release, in one step."""
    fresh = link.with_name("fresh")
    fresh.symlink_to(target)
    fresh.replace(link)


def run_with(worker: ProtocolWorker, release: str) -> Held | None:
    """Run a trial as a worker of that release, if it gets one."""
    info = {**worker.info(), "release": release}
    body = {**worker.claim_body(wait_s=0.5), "worker": info}
    for _ in range(10):
        response = worker.post("/claim", body)
        if response.status_code == 200:
            held = Held(worker, body["token"], response.json())
            assert held.complete(held.params["x"]).status_code == 200
            return held
    return None
