"""A machine whose clock is hours off: it is told, and its commands and workers do their work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.fleet import clock_environ, has_faketime
from tests.integration.workers_process import Started
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.study_lab import Lab

pytestmark = pytest.mark.slow


class Address:
    """Where a worker works."""

    def __init__(self, service: ServiceProcess) -> None:
        self.url = service.url
        self.token = TOKEN


@pytest.fixture(scope="module", autouse=True)
def _faketime() -> None:
    if not has_faketime():
        said = "needs the program `faketime` (Debian's package of this name)"
        (pytest.fail if os.environ.get("TUNER_REQUIRE_ALL") == "1" else pytest.skip)(said)


def tuner(server: ServiceProcess, offset: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuner", *args],
        env={
            **os.environ,
            "TUNER_API_URL": server.url,
            "TUNER_TOKEN": TOKEN,
            **clock_environ(offset),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_command_under_a_wrong_clock_says_so_and_a_token_it_makes_lasts_as_asked(
    server: ServiceProcess, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    made = tuner(
        server, "-8h", *("token", "create", "far", "--scope", "read", "--expires", "1h"),
        *("-o", str(file)),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert made.stderr.count("warning: the clocks differ by 8 hours: here it is ") == 1
    right = tuner(server, "", "token", "list", "--json")

    assert "clocks" not in right.stderr
    (token,) = (row for row in json.loads(right.stdout) if row["name"] == "far")
    assert token["state"] == "active", "it ends by the clock of the database"


def test_a_worker_under_a_wrong_clock_says_so_and_runs_its_trials(
    server: ServiceProcess, tmp_path: Path
) -> None:
    lab = Lab(server)
    lab.submit(objective="workers_trials:noop", budget={"trials": 2})
    environ = {**clock_environ("+8h"), "TUNER_IMAGE": lab.image}
    command = ["run", "--name=far", "--preimport=none"]
    worker = Started(command, tmp_path / "home", Address(server), **environ)
    try:
        assert lab.wait_closed()["counts"]["complete"] == 2
        reason = worker.wait_log("clocks differ")["reason"]
    finally:
        worker.close()
        lab.close()

    assert reason.startswith("the clocks differ by 8 hours: here it is ")
