"""A study of a hypermodel in this process, whose trials say what the test wants."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.support.hostile.study_faults import Held, House
from tuner import protocol
from tuner.cli.commands.replay import replay_study
from tuner.protocol import Found
from tuner.storage import tables

STUDY = "lab/hyper"
UNITS = {"type": "int", "low": 8, "high": 64, "step": 8}
RATE = {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}
SPEC: dict[str, Any] = {
    "project": "lab",
    "study": "hyper",
    "hypermodel": "zoo:Net",
    "metric": {"name": "score", "goal": "maximize"},
    "sampler": {"name": "random", "seed": 7},
    "history": "none",
    "budget": {"trials": 50},
}
KIND = {"type": "categorical", "values": ["mlp", "cnn"]}


def make_empty(folder: Path) -> Path:
    """Return a home whose database is made: that takes as long as a test."""
    home = folder / "home"
    home.mkdir()
    House(home).close()
    return home


@contextlib.contextmanager
def open_copy(empty: Path, folder: Path) -> Iterator[House]:
    """Open a copy of an empty home."""
    house = House(shutil.copytree(empty, folder / "home"))
    yield house
    house.close()


def submit(house: House, **changes: Any) -> None:
    house.service.submit({**SPEC, **changes})


def found(name: str, definition: dict[str, Any], value: Any, **more: Any) -> Found:
    return Found(name=name, source=more.pop("source", name), definition=definition, value=value)


def report(held: Held, *items: Found, **changes: Any) -> protocol.Reply:
    body = {"token": held.token, "points": [], "found": list(items), **changes}
    return held.house.desk.report(held.given.attempt, protocol.Report(**body))


def claim(house: House, worker: str = "w-1") -> Held | None:
    """Return an attempt for a worker, after the coordinator has had time to propose it."""
    held = house.claim(worker)
    for _ in range(10):
        if held is not None:
            return held
        house.rounds(1)
        held = house.claim(worker)
    return None


def take(house: House, worker: str = "w-1") -> Held:
    held = claim(house, worker)
    assert held is not None, house.states()
    return held


def row(house: House, number: int) -> Any:
    t = tables.trials
    with house.storage.read() as connection:
        return connection.execute(sa.select(t).where(t.c.number == number)).one()


def params(house: House, number: int) -> dict[str, Any]:
    return dict(json.loads(row(house, number).params_json))


def spec(house: House) -> dict[str, Any]:
    with house.storage.read() as connection:
        return dict(json.loads(connection.execute(sa.select(tables.studies)).one().spec_json))


def verdicts(house: House) -> set[str]:
    return {result.verdict for _, result in replay_study(house.service, STUDY)}  # type: ignore[arg-type]
