"""A file system that does not answer: it is said, trials go on, and it is over when it is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import MakeService
from tests.integration.test_operations_health import WELL, ready
from tests.integration.test_operations_metrics import Scraped
from tests.support.hostile.stuck_files import hold_up
from tests.support.patience import clock, wait_end, wait_until
from tests.support.service_process import ROOT, TOKEN, ServiceProcess
from tests.support.study_lab import Lab


@pytest.fixture(scope="module")
def stuck_service(make_service: MakeService) -> Iterator[ServiceProcess]:
    with make_service("sqlite", has_stuck_files=True) as service:
        yield service


@pytest.fixture
def labs(stuck_service: ServiceProcess) -> Iterator[tuple[Lab, Lab]]:
    """Two studies; nothing hangs any more when the test is over."""
    labs = Lab(stuck_service), Lab(stuck_service)
    yield labs
    stuck_service.hold.unlink(missing_ok=True)
    for lab in labs:
        lab.close()


def _complete(lab: Lab) -> Path:
    """Run one trial of a worker that writes no file; return its folder."""
    held = lab.claim()
    assert held.complete(0.5).status_code == 200
    return lab.service.log_root / held.assignment["run_dir"]


def _wait_said(service: ServiceProcess) -> dict[str, Any]:
    """Return what `/readyz` says once the filer hangs; the server is ready all the time."""

    def said() -> dict[str, Any] | None:
        status, document = ready(service)
        assert status == 200
        return document if "filer" in document["warnings"] else None

    return dict(wait_until(said, "/readyz says that the filer hangs"))


def _waits(service: ServiceProcess) -> dict[str, float]:
    return Scraped(service).by("what", "tuner_filer_waiting_seconds")


@pytest.mark.slow
def test_a_run_whose_files_hang_is_named_and_others_are_filed_meanwhile(
    labs: tuple[Lab, Lab],
) -> None:
    victim, other = labs
    service = victim.service
    victim.submit()
    other.submit()
    hold_up(service.hold, f"{victim.study}/trial_00000")
    folder = _complete(victim)

    said = _wait_said(service)
    assert victim.name not in str(said), "who has no token learns no name"
    (waits,) = _waits(service)
    assert victim.study in waits
    (missing,) = victim.status()["unfiled"]["first"]
    assert missing["waiting"]
    assert missing["trial"] == 0
    assert "has not answered" in missing["reason"]
    assert victim.show(0)["unfiled"] == [missing]
    seen_by_others = other.status()["unfiled"]
    assert victim.name not in str(seen_by_others), "nor does who may see another study only"
    filed = [_complete(other) / "trial.json" for _ in range(3)]
    wait_until(lambda: all(path.exists() for path in filed), "the other study's runs are filed")
    assert not (folder / "trial.json").exists()
    assert "filer" in ready(service)[1]["warnings"]

    service.hold.unlink()
    wait_until(lambda: (folder / "trial.json").exists(), "the run is written")
    wait_until(lambda: ready(service)[1] == WELL, "and nothing is said any more")
    wait_until(lambda: victim.status()["unfiled"] is None, "nor noted")
    assert not _waits(service)


@pytest.mark.slow
def test_what_stands_in_a_runs_way_is_noted_on_both_databases(lab: Lab) -> None:
    lab.submit()
    held = lab.claim()
    blocked = lab.service.log_root / held.assignment["run_dir"] / "trial.json"
    blocked.mkdir(parents=True)
    held.complete(0.5)
    other = _complete(lab)

    missing = lab.wait(lambda: lab.status()["unfiled"], "the fault is noted")
    assert missing["total"] == 1
    assert "is a folder, and must be a file" in missing["first"][0]["reason"]
    assert lab.show(held.trial)["unfiled"] == missing["first"]
    lab.wait(lambda: (other / "trial.json").is_file(), "the other run is filed")
    assert ready(lab.service)[1] == WELL

    blocked.rmdir()
    lab.wait(lambda: lab.status()["unfiled"] is None, "the run is filed with the next try", 90)
    assert blocked.is_file()


def test_while_the_log_root_hangs_trials_are_claimed_and_finished(labs: tuple[Lab, Lab]) -> None:
    lab, other = labs
    service = lab.service
    lab.submit()
    other.submit()
    hold_up(service.hold, str(service.log_root))

    _wait_said(service)
    folders = [_complete(lab), _complete(other)]

    # The study's own files may have been written just then, and hang as well: the root comes first.
    def root() -> dict[str, Any] | None:
        first = (lab.status()["unfiled"] or {}).get("first")
        return first[0] if first and first[0]["kind"] == "root" else None

    assert "log root" in wait_until(root, "the status says so")["reason"]

    service.hold.unlink()
    wait_until(lambda: ready(service)[1] == WELL, "nothing is said any more")
    wait_until(lambda: all((f / "trial.json").exists() for f in folders), "the runs are written")
    wait_until(lambda: lab.status()["unfiled"] is None, "nothing is noted any more")


def test_logs_that_hang_hold_up_nobody_who_asks_for_something_else(labs: tuple[Lab, Lab]) -> None:
    lab, _ = labs
    service = lab.service
    lab.submit()
    folder = _complete(lab)
    wait_until(lambda: (folder / "trial.json").exists(), "the run is filed")
    (folder / "output.log").write_text("said\n")
    hold_up(service.hold, "output.log")
    url = f"{service.url}/v1/studies/{lab.study}/trials/0/log"
    headers = {"Authorization": f"Bearer {TOKEN}"}

    # More than the server has threads.
    with ThreadPoolExecutor(60) as pool:
        answers = [pool.submit(httpx.get, url, headers=headers, timeout=120) for _ in range(60)]
        while not all(answer.done() for answer in answers):
            assert lab.status()["study"] == lab.study
            time.sleep(0.05)
        for answer in answers:
            assert answer.result().status_code == 503
            assert "the file system has not answered" in answer.result().json()["detail"]
    held = lab.claim()
    service.hold.unlink()
    wait_until(lambda: httpx.get(url, headers=headers).status_code == 200, "the log is read again")
    assert held.complete(0.5).status_code == 200


@pytest.mark.slow
def test_a_server_stops_although_its_filer_hangs(
    tmp_path: Path, redis_url: str, nursery: Any
) -> None:
    home = tmp_path / "home"
    hold = home / "hold"
    start = tmp_path / "start"
    start.mkdir()
    (start / "sitecustomize.py").write_text(
        "import pathlib; from tests.support.hostile.stuck_files import install\n"
        f"install(pathlib.Path({str(hold)!r}))\n"
    )
    environ = {
        "PYTHONPATH": os.pathsep.join([str(start), str(ROOT)]),
        "TUNER_HOME": str(home),
        "TUNER_TOKEN": TOKEN,
        "TUNER_REDIS_URL": redis_url,
    }
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tuner", "serve", "--port", "0"],
            env={**os.environ, **environ},
            stdout=output,
            stderr=output,
            cwd=tmp_path,
        )
    try:
        url = wait_until(lambda: _url_in(log, process), "the server answers")
        service = ServiceProcess(nursery, home, "", redis_url, url=url)
        lab = Lab(service)
        lab.submit()
        hold_up(hold, lab.study)
        _complete(lab)
        _wait_said(service)
        lab.claim()
        for worker in lab.workers:
            worker.close()
        process.send_signal(signal.SIGTERM)
        began = clock()
        assert wait_end(process, 60) == 0, log.read_text()[-2000:]
        assert clock() - began < 50
    finally:
        process.kill()
        process.wait()


def _url_in(log: Path, process: subprocess.Popen[bytes]) -> str | None:
    assert process.poll() is None, log.read_text()
    for word in log.read_text().split():
        if word.startswith("http://127.0.0.1:"):
            return word.rstrip(".,;")
    return None
