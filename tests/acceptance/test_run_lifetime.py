"""`tuner run`, `submit` and the workers over their whole life: interrupted, killed, resumed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.acceptance.home import CLIMB, CLIMBER, Home, open_home
from tests.support.patience import clock
from tuner.documents.demand import WorkerDemand
from tuner.documents.study import StudyStatus
from tuner.documents.submission import Submitted
from tuner.documents.trial import EventRow, LogPiece, TrialDetail, TrialRow
from tuner.documents.workers import WorkerRow

STUDY = "life/steps"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path) as home:
        home.write("objectives.py", CLIMBER)
        yield home


def write_spec(home: Home, *, study: str = "steps", trials: int = 8, steps: int = 5) -> str:
    name = f"{study}.yaml"
    home.write(name, CLIMB.format(project="life", study=study, trials=trials, steps=steps))
    return name


def assert_each_trial_ran_once(home: Home, trials: int, study: str = STUDY) -> list[Any]:
    """Return the rows; the budget is exact and no configuration came twice."""
    rows: list[Any] = home.json("best", study, "--all", "-n", "1000")
    assert sorted(row["trial"] for row in rows) == list(range(trials))
    assert {row["state"] for row in rows} == {"COMPLETE"}
    assert len({row["params"]["x"] for row in rows}) == trials
    return rows


def test_an_interrupted_run_leaves_within_15_s_and_the_same_command_goes_on(home: Home) -> None:
    spec = write_spec(home)
    with home.process("run", spec, "-n", "2") as run:
        run.wait_for("trial 2")
        began = clock()
        run.interrupt()
        assert run.wait(30) == 130, run.text
        assert clock() - began < 15
    assert home.wait(home.processes, lambda found: not found, 5) == {}
    before = home.json("best", STUDY)
    assert 2 <= len(before) < 8
    assert f"continue with: tuner run {spec}" in run.text
    assert "Traceback" not in run.text

    again = home.ok("run", spec, "-n", "2", timeout_s=120)

    assert "where it stopped" in again.out
    rows = assert_each_trial_ran_once(home, 8)
    after = {row["trial"]: row for row in rows}
    for row in before:
        assert after[row["trial"]] == row
    assert home.json("status", STUDY)["budget"]["used"] == 8
    assert home.processes() == {}


def test_a_second_interrupt_kills_at_once(home: Home) -> None:
    spec = write_spec(home, trials=3, steps=100)
    with home.process("run", spec, "-n", "1") as run:
        home.wait_status(STUDY, lambda status: status["counts"]["running"] == 1)
        run.interrupt()
        run.wait_for("interrupted")
        began = clock()
        run.interrupt()
        assert run.wait(30) == 130, run.text
        assert clock() - began < 3
    assert home.wait(home.processes, lambda found: not found, 5) == {}


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_and_the_same_command_goes_on(home: Home) -> None:
    spec = write_spec(home)
    with home.process("run", spec, "-n", "2") as run:
        run.wait_for("trial 2")
        os.kill(run.process.pid, signal.SIGKILL)
        assert run.wait(5) == -signal.SIGKILL
    began = clock()
    service = read_service(home)["pid"]

    def others() -> dict[int, str]:
        return {pid: said for pid, said in home.processes().items() if "workers" in said}

    home.wait(others, lambda found: not found, 20)
    assert service in home.processes(), "the service waits for another run"
    home.wait(home.processes, lambda found: not found, 60)
    assert clock() - began < 50
    assert not (home.path / "service.json").exists()

    done = home.ok("run", spec, "-n", "2", timeout_s=120)

    assert "finished" in done.out
    assert_each_trial_ran_once(home, 8)


@pytest.mark.slow
def test_a_finished_study_says_how_to_go_on_and_goes_on_with_a_larger_budget(home: Home) -> None:
    spec = write_spec(home, trials=2)
    home.ok("run", spec, timeout_s=120)
    first = home.json("best", STUDY)

    again = home.ok("run", spec)
    more = home.ok("run", write_spec(home, trials=4), timeout_s=120)

    assert "finished (budget.trials: 2 trials are done); raise budget.trials to continue" in (
        again.out
    )
    assert "COMPLETE" in again.out
    assert "budget.trials: 2 → 4" in more.out
    rows = {row["trial"]: row for row in assert_each_trial_ran_once(home, 4)}
    assert all(rows[row["trial"]] == row for row in first)
    assert {row["attempts"] for row in rows.values()} == {1}
    assert "study-edited" in [event["kind"] for event in home.json("events", STUDY)]


@pytest.mark.slow
def test_two_runs_of_one_study_share_its_budget(home: Home) -> None:
    spec = write_spec(home, trials=10)
    with home.process("run", spec, "-n", "1") as one, home.process("run", spec, "-n", "1") as two:
        codes = one.wait(120), two.wait(120)

    assert codes == (0, 0), one.text + two.text
    started = [text for text in (one.text, two.text) if "(started, pid" in text]
    joined = [text for text in (one.text, two.text) if "(joined, pid" in text]
    # The second one may find the study finished, and even the service gone, when it is slow.
    assert len(started) + len(joined) == 2
    assert started
    assert_each_trial_ran_once(home, 10)
    assert home.processes() == {}


@pytest.mark.slow
def test_two_runs_of_different_studies_share_the_service(home: Home) -> None:
    short, long = write_spec(home, trials=2), write_spec(home, study="long", trials=8)
    with home.process("run", long, "-n", "1") as one:
        one.wait_for("(started, pid")
        with home.process("run", short, "-n", "1") as two:
            assert two.wait(120) == 0, two.text
            assert "(joined, pid" in two.text
            assert one.process.poll() is None, "the short run ended the long one's service"
        assert one.wait(120) == 0, one.text

    assert_each_trial_ran_once(home, 2)
    assert_each_trial_ran_once(home, 8, "life/long")
    assert home.processes() == {}


@pytest.mark.slow
def test_a_submitted_study_survives_scaling_and_draining_until_down(home: Home) -> None:
    spec = write_spec(home, trials=24, steps=8)
    submitted = home.json("submit", spec)
    assert (submitted["created"], submitted["state"]) == (True, "running")
    assert home.json("submit", spec)["created"] is False

    home.ok("workers", "up", "-n", "3")
    home.wait(lambda: home.ask("workers"), lambda rows: len(rows or ()) == 3)
    home.wait_status(STUDY, lambda status: status["counts"]["running"] == 3)
    refused = home.run("workers", "up", "-n", "2")
    assert refused.code == 2
    assert "tuner workers scale 2" in refused.err

    home.ok("workers", "scale", 1)
    home.wait(lambda: home.ask("workers"), lambda rows: len(rows or ()) == 1)
    home.ok("workers", "scale", 2)
    rows = home.wait(lambda: home.ask("workers"), lambda rows: len(rows or ()) == 2)
    drained = rows[0]["name"]
    home.ok("workers", "drain", drained)
    home.wait(lambda: home.ask("workers"), lambda rows: drained not in [r["name"] for r in rows])
    home.ok("watch", STUDY, timeout_s=120)

    assert_each_trial_ran_once(home, 24)
    home.ok("down")
    assert home.wait(home.processes, lambda found: not found, 10) == {}
    assert home.json("status", STUDY)["state"] == "finished"
    assert home.run("down").code == 0


@pytest.mark.slow
def test_pause_resume_cancel_retry_stop_and_delete_do_what_they_say(home: Home) -> None:
    home.write(
        "objectives.py",
        """
        import time
        from workers import Run


        def climb(run: Run) -> float:
            time.sleep(0.3)
            if run.trial == 1:
                raise RuntimeError("trial 1 fails")
            while run.trial == 2:
                time.sleep(0.1)
                run.report(int(time.monotonic() * 100), 0.0)
            return run.params["x"]
        """,
    )
    home.json("submit", write_spec(home, trials=100))
    home.ok("workers", "up", "-n", "1")
    home.wait(lambda: trial_state(home, 2), lambda state: state == "RUNNING")

    home.ok("pause", STUDY)
    paused = home.json("status", STUDY)
    assert (paused["state"], paused["reason"]) == ("paused", "by the user")
    home.ok("cancel", STUDY, 2)
    home.wait(lambda: trial_state(home, 2), lambda state: state == "FAIL")
    cancelled = home.json("show", STUDY, 2)
    assert cancelled["cause"] == "cancelled"
    assert len(home.json("best", STUDY, "--all", "-n", "1000")) == 3, "a paused study goes on"
    home.ok("resume", STUDY)
    home.wait_status(STUDY, lambda status: status["counts"]["complete"] >= 3)

    assert "runs again: trial 1" in home.ok("retry", STUDY).err
    again = home.wait(
        lambda: [e["text"] for e in home.json("events", STUDY) if e["kind"] == "study-retry"]
    )
    assert "trials 1 are tried again" in again[0]
    first = home.json("show", STUDY, 1)["params"]
    home.wait(lambda: [r for r in home.json("best", STUDY, "-n", "1000") if r["params"] == first])

    home.ok("stop", STUDY, "--now")
    stopped = home.wait_status(STUDY, lambda status: status["state"] == "finished")
    assert stopped["reason"] == "stopped by the user"
    folder = home.logs / STUDY
    assert folder.is_dir()
    assert home.run("delete", STUDY).code == 1, "nobody agreed"
    home.ok("delete", STUDY, "--yes")
    assert not folder.exists()
    assert home.run("status", STUDY).code == 2


@pytest.mark.slow
def test_every_json_document_has_its_published_schema(home: Home) -> None:
    spec = write_spec(home, trials=3)
    schemas: list[tuple[tuple[object, ...], object]] = [
        (("submit", spec), Submitted),
        (("list",), list[StudyStatus]),
        (("status", STUDY), StudyStatus),
        (("best", STUDY, "--all"), list[TrialRow]),
        (("show", STUDY, 0), TrialDetail),
        (("events", STUDY), list[EventRow]),
        (("logs", STUDY, 0), LogPiece),
        (("workers", "list"), list[WorkerRow]),
        (("workers", "demand"), WorkerDemand),
        (("watch", STUDY), StudyStatus),
    ]
    home.ok("submit", spec)
    home.ok("workers", "up", "-n", "1")
    home.ok("watch", STUDY, timeout_s=120)

    with_service = {args: check_schema(home, args, schema) for args, schema in schemas}
    home.ok("down")
    without = {args: check_schema(home, args, schema) for args, schema in schemas[1:7]}

    # Without a service the commands read the database themselves, and say the same.
    for args, document in without.items():
        assert document == with_service[args]


def check_schema(home: Home, args: tuple[object, ...], schema: object) -> Any:
    """Return the one document that a command prints; it has no field that its schema has not."""
    done = home.ok(*args, "--json")
    document = json.loads(done.out)
    adapter: TypeAdapter[Any] = TypeAdapter(schema)
    read = adapter.validate_python(document)
    assert adapter.dump_python(read, mode="json") == document
    assert "NaN" not in done.out
    return document


def trial_state(home: Home, number: int) -> str | None:
    row = home.ask("show", STUDY, number)
    return row["state"] if row else None


def read_service(home: Home) -> Any:
    return json.loads((home.path / "service.json").read_text())
