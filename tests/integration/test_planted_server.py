"""Real trials plant things in their folders; the server and everybody else go on."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cause_fleet import Fleet
from tests.integration.test_operations_health import WELL, ready
from tests.support.hostile.guard import SECRET, Guard
from tests.support.patience import wait_until
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab

MOST_MEMORY = 100 << 20
#: The attacks that were seen to stop, kill or mislead a server, with 10^5 files beside them.
ATTACKS = [
    ("folder", "trial.json"),
    ("folder", "config.json"),
    ("loop", "trial.json"),
    ("file", "run"),
    ("file", "_study"),
    ("file", "study"),
    ("sparse file", "trial.json"),
    ("sparse file", "config.json"),
    ("sparse file", "events"),
    ("sparse file", "output.log"),
    ("pipe", "trial.json"),
    ("pipe", "config.json"),
    ("pipe", "output.log"),
    ("deep JSON", "trial.json"),
    ("link to a file", "output.log"),
    ("hard link", "output.log"),
    ("link to a folder", "run"),
    ("link to a folder", "study"),
    ("link to a folder", "checkpoint folder"),
    ("renamed", "run"),
    ("removed", "study"),
    ("crowd", "run"),
]
#: What stands in the way of the server's own files, until somebody removes it.
NOTED = [
    ("folder", "trial.json"),
    ("folder", "config.json"),
    ("file", "run"),
    ("file", "_study"),
    ("file", "study"),
    ("link to a folder", "run"),
    ("link to a folder", "study"),
]


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with Guard(tmp_path / "guard", ("_study", "trial_00000")) as guard:
        yield guard


def _submit(fleet: Fleet, kind: str, place: str, guard: Guard) -> Lab:
    return fleet.submit(
        objective="planted_trials:train",
        search_space={
            "x": {"type": "float", "low": 0.0, "high": 1.0},
            "kind": {"type": "fixed", "value": kind},
            "place": {"type": "fixed", "value": place},
            "guard": {"type": "fixed", "value": str(guard.folder)},
        },
        start_with=[{"x": 0.5}],
        budget={"trials": 1},
        trial={"retries": 0, "keep": 1},
    )


def _peak(service: ServiceProcess) -> int:
    text = Path(f"/proc/{service.pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB", text, re.M)[1]) << 10  # type: ignore[index]


@pytest.mark.slow
def test_what_real_trials_plant_costs_nobody_else_anything(
    server: ServiceProcess, fleet: Fleet, guard: Guard
) -> None:
    fleet.start("a")
    other = Lab(server)
    other.submit(budget={"trials": 1000})
    other.claim().complete(0.1)
    before = _peak(server)

    labs = [_submit(fleet, kind, place, guard) for kind, place in ATTACKS]
    folders = []
    while not all(lab.status()["counts"]["running"] + _open(lab) == 0 for lab in labs):
        # Another study's trials are claimed, finished and filed meanwhile.
        held = other.claim()
        assert held.complete(0.5).status_code == 200
        folders.append(server.log_root / held.assignment["run_dir"])
        time.sleep(0.2)
    # How many depends on how fast the planting trials are; every claim was answered with one.
    assert len(folders) >= 5
    wait_until(lambda: all((f / "trial.json").is_file() for f in folders), "they are filed")
    guard.check()
    assert ready(server)[1] == WELL

    for (kind, place), lab in zip(ATTACKS, labs, strict=True):
        if (kind, place) in NOTED:
            missing = wait_until(
                lambda lab=lab: lab.status()["unfiled"], f"{kind} {place} is noted"
            )
            assert "must be a" in missing["first"][0]["reason"], (kind, place)
        answer = server.call("GET", f"/studies/{lab.study}/trials/0/log")
        assert answer.status_code in (200, 404), (kind, place, answer.text)
        assert SECRET not in answer.text
    guard.check()

    server.kill_and_start()
    held = other.claim()
    held.complete(0.5)
    folder = server.log_root / held.assignment["run_dir"]
    wait_until(lambda: (folder / "trial.json").is_file(), "after a restart others are filed too")
    assert _peak(server) - before < MOST_MEMORY
    for lab in labs:
        assert server.call("DELETE", f"/studies/{lab.study}").json()["deleted"]
    guard.check()
    assert SECRET not in server.log.read_text()
    other.close()


def _open(lab: Lab) -> int:
    return int(lab.status()["state"] not in ("finished", "failed", "cancelled"))


@pytest.mark.slow
def test_a_project_that_is_a_link_leads_nowhere(
    server: ServiceProcess, fleet: Fleet, guard: Guard
) -> None:
    fleet.start("a")
    lab = _submit(fleet, "link to a folder", "project", guard)
    (guard.folder / lab.name).mkdir()
    guard = Guard(guard.folder)
    with guard:
        lab.wait_closed()
        project = server.log_root / "faults"
        wait_until(project.is_symlink, "the trial has put a link in the place of the project")
        wait_until(lambda: lab.status()["unfiled"], "what cannot be written is noted")
        answer = server.call("DELETE", f"/studies/{lab.study}").json()
        guard.check()
    assert answer["deleted"]
    (kept,) = answer["kept"]
    assert "is a link, and must be a folder" in kept["reason"]
    project.unlink()
    shutil.rmtree(guard.folder / lab.name)
