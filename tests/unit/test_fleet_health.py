"""`python -m workers health`: what is told of a fleet by the state that its supervisor writes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from workers.__main__ import main
from workers.fleet.fleet_health import MOST_BYTES, STALE_S, look, state_path
from workers.fleet.supervisor import MARK_S


@pytest.fixture
def control(tmp_path: Path) -> Path:
    return tmp_path / "fleet.json"


def write(control: Path, states: list[str], count: int | None = None, reason: str = "") -> None:
    workers = [
        {"name": f"host-{number}", "state": state, "reason": reason if number == 0 else ""}
        for number, state in enumerate(states)
    ]
    wanted = len(states) if count is None else count
    state_path(control).write_text(json.dumps({"count": wanted, "workers": workers}))


@pytest.mark.parametrize(
    ("states", "count", "is_well", "said"),
    [
        (["idle", "busy"], 2, True, "workers: 1 busy, 1 idle"),
        ([], 0, True, "workers: none"),
        (["busy", "starting"], 2, True, "workers: 1 busy, 1 starting"),
        (["leaving"], 1, True, "workers: 1 leaving"),
        (["starting"], 1, False, "none has joined the service yet"),
        (["idle", "stopped"], 2, False, "what is stopped has died, or cannot work here"),
        ([], 1, False, "none has joined the service yet"),
    ],
)
def test_a_fleet_is_well_when_its_workers_have_joined_and_none_is_down(
    control: Path, states: list[str], count: int, is_well: bool, said: str
) -> None:
    write(control, states, count)

    health = look(control)

    assert health.is_well is is_well
    assert said in health.said


def test_a_worker_that_the_server_refuses_is_named_with_the_reason(control: Path) -> None:
    write(control, ["stopped", "idle"], reason="its release is 0.1.0, the server's 0.2.0")

    health = look(control)

    assert not health.is_well
    assert "host-0 is refused: its release is 0.1.0, the server's 0.2.0" in health.said


def test_a_supervisor_that_hangs_is_noticed(control: Path) -> None:
    write(control, ["idle"])
    assert look(control).is_well
    long_ago = time.time() - STALE_S - 60
    os.utime(state_path(control), (long_ago, long_ago))

    health = look(control)

    assert not health.is_well
    assert "the supervisor has not looked after its workers for 9" in health.said


def test_a_supervisor_marks_its_state_long_before_it_counts_as_hanging() -> None:
    assert MARK_S * 3 < STALE_S


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"count": "x", "workers": []}', b'{"count": 1}', b"\xff\xfe",
     b'{"count": 1, "workers": 5}', b"[" * 100_000, b'{"count": 1e999, "workers": []}'],
)  # fmt: skip
def test_a_state_that_is_no_state_is_said_to_be_none(control: Path, content: bytes) -> None:
    state_path(control).write_bytes(content)

    health = look(control)

    assert not health.is_well
    assert "is not what a fleet writes" in health.said


def test_a_state_without_bound_is_read_up_to_a_bound(control: Path) -> None:
    write(control, ["idle"])
    with state_path(control).open("ab") as file:
        file.write(b" " * (2 * MOST_BYTES) + b"no JSON")

    assert look(control).is_well


@pytest.mark.parametrize("worker", [None, 5, "idle", [], {}])
def test_what_is_no_worker_in_a_state_is_not_counted_as_one(control: Path, worker: Any) -> None:
    state_path(control).write_text(json.dumps({"count": 1, "workers": [worker]}))

    assert not look(control).is_well


def test_the_command_says_it_in_one_line_with_a_status(
    control: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", "--control", str(control)]) == 1
    assert capsys.readouterr().out == (
        f"no fleet has written {control}.state: workers of `run` alone have no such state\n"
    )
    write(control, ["idle"])
    assert main(["health", "--control", str(control)]) == 0
    assert capsys.readouterr().out == "workers: 1 idle\n"
