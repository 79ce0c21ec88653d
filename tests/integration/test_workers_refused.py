"""What the server refuses ends one attempt, once, as the trial's own error; nobody is blamed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration import refused_trials as trials
from tests.integration.cause_fleet import Fleet, attempts, open_fleet
from tests.integration.workers_process import Started
from tests.support.archives import make_archive
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab
from tuner.protocol import MAX_IMAGE_CHARS
from tuner.storage import tables
from tuner.storage.engines.engine import make_engine

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def scene(
    request: pytest.FixtureRequest, make_service: MakeService
) -> Iterator[tuple[Fleet, Started]]:
    """A real server and its only worker."""
    with make_service(request.param) as service, open_fleet(service) as fleet:
        yield fleet, fleet.start("only")


@contextlib.contextmanager
def writing(service: ServiceProcess) -> Iterator[sa.Connection]:
    """A connection of the test's own to the server's database."""
    engine = make_engine(service.database_url, read_only=False)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def store_snapshot(service: ServiceProcess, content: bytes) -> str:
    """Put a snapshot into the database, as an older release would have taken it."""
    digest = hashlib.sha256(content).hexdigest()
    row = {"hash": digest, "content": content, "created": time.time()}
    with writing(service) as connection:
        connection.execute(tables.snapshots.insert().values(**row))
    return digest


def submit(fleet: Fleet, *cases: str, code: str | None = None, **changes: Any) -> Lab:
    """Submit a study of these cases, all of which fail by themselves."""
    values = sorted({*trials.REPORTS, *trials.FINISHES, *trials.REFUSED_BY_RUN, "good"})
    space = {
        "case": {"type": "categorical", "values": values},
        "x": {"type": "float", "low": 0.0, "high": 1.0},
    }
    spec = {"objective": "refused_trials:train", "search_space": space, "pruner": {"name": "none"}}
    return fleet.submit(*cases, code=code, **{**spec, **changes})


def assert_own_error(lab: Lab, number: int) -> str:
    """Assert that a trial was begun once and failed by itself; return what it says."""
    trial = lab.show(number)
    (attempt,) = trial["attempt_list"]
    assert (trial["state"], trial["cause"]) == ("FAIL", "error"), trial["error"]
    assert (attempt["state"], attempt["cause"]) == ("failed", "error")
    text: str = trial["error"]
    return text


def assert_nobody_is_blamed(fleet: Fleet, worker: Started, lab: Lab) -> None:
    """Assert that the worker is in service, has not died, and runs another study's trial."""
    name = fleet.name_of(worker)
    good = submit(fleet, "good")
    assert good.wait_closed()["counts"]["complete"] == 1
    assert attempts(good)[0]["worker"] == name
    assert lab.events("worker-out") == []
    listed = fleet.known()[name]
    assert (listed["reason"], listed["state"] != "out of service") == ("", True)
    assert len([line for line in worker.logs() if line["message"] == "worker ready"]) == 1


@pytest.mark.parametrize("cases", [trials.REPORTS, trials.FINISHES], ids=["report", "finish"])
def test_what_the_server_refuses_of_a_trial_ends_it_once_as_its_own_error(
    scene: tuple[Fleet, Started], cases: list[str]
) -> None:
    fleet, worker = scene
    lab = submit(fleet, *cases)
    status = lab.wait_closed()

    assert (status["counts"]["fail"], status["budget"]["used"]) == (len(cases), len(cases))
    for number, case in enumerate(cases):
        text = assert_own_error(lab, number)
        assert text.startswith("the server refused what this trial "), (case, text)
        assert "422" in text, (case, text)
    assert_nobody_is_blamed(fleet, worker, lab)


def test_what_run_refuses_names_the_line_and_what_is_allowed(
    scene: tuple[Fleet, Started],
) -> None:
    fleet, worker = scene
    lab = submit(fleet, *trials.REFUSED_BY_RUN)
    status = lab.wait_closed()

    assert status["budget"]["used"] == len(trials.REFUSED_BY_RUN)
    for number, (expected, _) in enumerate(trials.CALLS.values()):
        text = assert_own_error(lab, number)
        assert expected in text.splitlines()[-1], text
        assert "refused_trials.py" in text
        assert "run.report(" in text or "r.report(" in text
    assert_nobody_is_blamed(fleet, worker, lab)


def archive_of(*members: tarfile.TarInfo) -> bytes:
    """Return a snapshot of such files and folders, each file with one letter in it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x") if member.isfile() else None)
    return target.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = 1 if kind == tarfile.REGTYPE else 0
    return info


SNAPSHOTS = {
    "a name of 300 letters": archive_of(member("n" * 300)),
    "a file and a folder of one name": archive_of(member("both"), member("both/inside")),
    "a folder and a file of one name": archive_of(member("both/inside"), member("both")),
    "an empty name": archive_of(member("")),
    "a name of the service": make_archive({"workers.py": ""}),
    "a device": archive_of(member("null", tarfile.CHRTYPE)),
    "a way out": archive_of(member("../out")),
    "no archive": b"no archive at all",
    "half an archive": make_archive({"objectives.py": "x = 1\n" * 5000})[:60],
}


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_snapshot_that_cannot_be_unpacked_is_the_studys_own_error(
    scene: tuple[Fleet, Started], name: str
) -> None:
    fleet, worker = scene
    digest = store_snapshot(fleet.service, SNAPSHOTS[name])
    lab = submit(fleet, "good", "good", "good", code=digest, budget={"trials": 9})
    lab.wait(lambda: lab.status()["state"] == "paused", "it pauses")
    reason = lab.status()["reason"]

    for number in range(3):
        assert "code snapshot" in assert_own_error(lab, number)
    assert "code snapshot" in reason, "the study says why"
    assert_nobody_is_blamed(fleet, worker, lab)


def test_a_worker_that_says_too_much_of_itself_is_told_so_and_blames_nobody(
    scene: tuple[Fleet, Started],
) -> None:
    fleet, _ = scene
    image = "team/train:" + "x" * MAX_IMAGE_CHARS
    wordy = fleet.launch("wordy", TUNER_IMAGE=image)

    assert wordy.wait(60) == 3
    said = wordy.wait_log("worker does not fit the server")["reason"]
    assert f"at most {MAX_IMAGE_CHARS}" in said
    assert fleet.name_of(wordy) not in fleet.known()
