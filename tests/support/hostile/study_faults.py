# ruff: noqa: S608 - the statements are made of constants
"""A service in this process with two studies, one of which is damaged; every kind of damage."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.support.patience import clock
from tuner import protocol
from tuner.coordinator.loop import Coordinator
from tuner.errors import FencedError
from tuner.queue.wakeup import WakeUps
from tuner.service.service import Service
from tuner.service.workers.worker_service import WorkerService
from tuner.settings import load_settings
from tuner.storage import Storage, open_storage, tables

VICTIM, HEALTHY = "lab/victim", "lab/healthy"
#: Of a process that does not exist: the kernel gives no number so high.
_NOBODY = 2**22 + 1


def spec(name: str, **changes: Any) -> dict[str, Any]:
    """Return the spec of a study that uses as much of the coordinator as one study can."""
    return {
        "project": "lab",
        "study": name,
        "objective": "objectives:train",
        "metric": {"name": "score", "goal": "maximize"},
        "search_space": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
        "sampler": {"name": "random", "seed": 7},
        "pruner": {"name": "asha", "min_resource": "auto"},
        "budget": {"trials": 100},
        **changes,
    }


@dataclass
class Held:
    """An attempt in the hands of a worker."""

    house: House
    token: str
    given: protocol.Assignment

    def report(self, *values: float) -> protocol.Reply:
        """Report values of the steps from 1 on."""
        points = [protocol.Point(step=n, value=v) for n, v in enumerate(values, start=1)]
        return self.house.desk.report(
            self.given.attempt, protocol.Report(token=self.token, points=points)
        )

    def finish(self, outcome: Any = "complete", **changes: Any) -> protocol.Finished:
        """End it."""
        values = {}
        if outcome == "complete" and "values" not in changes:
            values = {"values": [float(next(iter(self.given.params.values()), 0.5))]}
        body = {"token": self.token, "outcome": outcome, "duration_s": 0.5, **values, **changes}
        return self.house.desk.finish(self.given.attempt, protocol.Finish(**body))


class House:
    """A home with its service, whose coordinator does a round when it is told to.

    Args:
        home: its folder.
        url: of its database; none: the file in the home.
        storage: its database, where it is open already; to open it and to compile its SQL takes
            a third of the processor time of a short test.
    """

    def __init__(self, home: Path, url: str | None = None, storage: Storage | None = None) -> None:
        settings = load_settings({"TUNER_HOME": str(home)})
        self.path = home / "tuner.db"
        self.url = url or settings.database_url
        self.storage: Storage = storage or open_storage(self.url, create=True)
        # Nobody listens there: workers are not woken, they ask.
        self.wakeups = WakeUps("redis://127.0.0.1:9")
        self.coordinator = Coordinator(self.storage, self.wakeups)
        self.service = Service(self.storage, settings)
        self.desk = WorkerService(self.storage, self.coordinator)

    def rounds(self, count: int = 3, **facts: bool) -> None:
        """Have the coordinator look around; no fault of a study is to come out of that."""
        for _ in range(count):
            self.coordinator.look_around(**facts)

    def restart(self) -> None:
        """Go on as after a crash."""
        self.coordinator.close()
        self.coordinator = Coordinator(self.storage, self.wakeups)
        self.desk = WorkerService(self.storage, self.coordinator)

    def claim(self, worker: str, pid: int = 1, host: str = "elsewhere") -> Held | None:
        """Claim with a new token."""
        token = secrets.token_hex(16)
        info = protocol.WorkerInfo(name=worker, host=host, pid=pid, device="cpu")
        claim = protocol.Claim(token=token, worker=info, wait_s=0.0, version=protocol.VERSION)
        given = self.desk.claim(claim)
        if given is None:
            return None
        # As a worker reads it.
        return Held(self, token, protocol.Assignment.from_json(json.loads(protocol.dumps(given))))

    def take(self, study: str, *, of_dead: bool = False) -> Held:
        """Return an attempt of a study in the hands of a new worker; end the others' if it can."""
        facts = {"pid": _NOBODY, "host": socket.gethostname()} if of_dead else {}
        others: list[Held] = []
        # A study whose loading took long rests for a while.
        deadline = clock() + 10.0
        while clock() < deadline:
            held = self.claim(f"w-{secrets.token_hex(3)}", **facts)  # type: ignore[arg-type]
            if held is not None and held.given.study == study:
                for other in others:
                    # The study may be damaged.
                    with contextlib.suppress(FencedError):
                        other.finish()
                return held
            others += [held] if held is not None else []
            self.rounds(1)
            time.sleep(0.002 * len(others))
        raise AssertionError(f"{study} gives no trial; {self.states()}")

    def idle(self, count: int) -> None:
        """Have workers be there that wait for a trial."""
        for n in range(count):
            info = protocol.WorkerInfo(name=f"idle-{n}", host="elsewhere", pid=1, device="cpu")
            self.desk.beat(protocol.Beat(worker=info, state="idle"))

    def states(self) -> dict[str, tuple[str, str]]:
        """Return state and reason of each study."""
        s = tables.studies
        with self.storage.read() as connection:
            rows = connection.execute(sa.select(s.c.project, s.c.name, s.c.state, s.c.reason))
            return {f"{row.project}/{row.name}": (row.state, row.reason) for row in rows}

    def close(self) -> None:
        """Let go of everything."""
        self.coordinator.close()
        self.storage.close()


def build(home: Path, url: str | None = None) -> None:
    """Make a home whose two studies have trials in every state."""
    home.mkdir()
    house = House(home, url)
    for name in ("healthy", "victim"):
        house.service.submit(spec(name))
    held = {VICTIM: 0, HEALTHY: 0}
    while min(held.values()) < 4:
        mine = house.claim(f"w-{sum(held.values())}")
        house.rounds(1)
        if mine is None:
            continue
        count = held[mine.given.study]
        if count >= 4:
            # The other rests. One that went on meanwhile would have no budget left.
            mine.finish("failed", cause="preempted")
            time.sleep(0.05)
            continue
        held[mine.given.study] += 1
        mine.report(0.1, 0.2)
        if count == 0:
            mine.finish()
        elif count == 1:
            mine.finish("pruned")
        elif count == 2:
            mine.finish("failed", cause="error", error="ValueError: no")
        house.rounds(1)
    house.rounds()
    house.close()


def copy_home(source: Path, target: Path) -> Path:
    """Copy a home that nobody uses."""
    shutil.copytree(source, target)
    return target


Damage = Callable[[sqlite3.Connection, int], None]


def _set(table: str, column: str, value: Any, where: str = "") -> Damage:
    key = "id" if table == "tuner_studies" else "study_id"

    def damage(db: sqlite3.Connection, study: int) -> None:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ? {where}", (value, study))

    return damage


def _sql(*statements: str) -> Damage:
    def damage(db: sqlite3.Connection, study: int) -> None:
        optuna = db.execute("SELECT optuna_id FROM tuner_studies WHERE id=?", (study,)).fetchone()
        other = db.execute("SELECT id, optuna_id FROM tuner_studies WHERE id<>?", (study,))
        other_id, other_optuna = other.fetchone()
        names = {"s": study, "o": optuna[0], "s2": other_id, "o2": other_optuna}
        for statement in statements:
            db.execute(statement, names)

    return damage


def _spec(change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(db: sqlite3.Connection, study: int) -> None:
        (text,) = db.execute("SELECT spec_json FROM tuner_studies WHERE id=?", (study,)).fetchone()
        document = json.loads(text)
        change(document)
        _set("tuner_studies", "spec_json", json.dumps(document))(db, study)

    return damage


_OPTUNA_TRIALS = "(SELECT trial_id FROM trials WHERE study_id = :o)"
_OF_TRIALS = (
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_system_attributes",
    "trial_user_attributes",
    "trial_heartbeats",
)
_DROP_TRIALS = tuple(f"DELETE FROM {t} WHERE trial_id IN {_OPTUNA_TRIALS}" for t in _OF_TRIALS)
_DROP_STUDY = (
    *_DROP_TRIALS,
    "DELETE FROM trials WHERE study_id = :o",
    *(
        f"DELETE FROM {t} WHERE study_id = :o"
        for t in ("study_directions", "study_system_attributes", "study_user_attributes", "studies")
    ),
)

#: What may have happened to the rows of one study.
DAMAGES: dict[str, Damage] = {
    "Optuna's study deleted": _sql(*_DROP_STUDY),
    "Optuna's study deleted and its number used again": _sql(
        *_DROP_STUDY, "INSERT INTO studies (study_id, study_name) VALUES (:o, 'somebody/else')"
    ),
    "the number of another study": _sql("UPDATE tuner_studies SET optuna_id = :o2 WHERE id = :s"),
    "Optuna's study renamed": _sql("UPDATE studies SET study_name = 'x' WHERE study_id = :o"),
    "Optuna's trials deleted": _sql(*_DROP_TRIALS, "DELETE FROM trials WHERE study_id = :o"),
    "Optuna's trials are another study's": _sql(
        "UPDATE tuner_trials SET optuna_id = (SELECT max(trial_id) FROM trials"
        " WHERE study_id = :o2) WHERE study_id = :s"
    ),
    "Optuna's trial in a state that it does not know": _sql(
        "UPDATE trials SET state = 'GONE' WHERE study_id = :o"
    ),
    "Optuna's attributes are no JSON": _sql(
        "INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (:o, 'k', '{')",
        "INSERT INTO trial_system_attributes (trial_id, key, value_json)"
        f" SELECT trial_id, 'k', '{{' FROM trials WHERE trial_id IN {_OPTUNA_TRIALS}",
    ),
    "a key in the spec that this release does not know": _spec(lambda d: d.update(later=1)),
    "a sampler that this release does not know": _spec(
        lambda d: d.update(sampler={"name": "later", "seed": 1})
    ),
    "a space without parameters": _spec(lambda d: d.update(search_space={})),
    "another space than the trials are of": _spec(
        lambda d: d.update(search_space={"y": {"type": "int", "low": 1, "high": 2}})
    ),
    "an artifact that does not unpack": _sql(
        "INSERT OR REPLACE INTO tuner_artifacts (key, study_id, content, receipt_json, created)"
        " VALUES ('x', :s, x'ffffff', '{', 9e9)"
    ),
    "no trials": _sql("DELETE FROM tuner_trials WHERE study_id = :s"),
    "a trial is missing": _sql("DELETE FROM tuner_trials WHERE study_id = :s AND number = 1"),
    "the running trial is missing": _sql(
        "DELETE FROM tuner_trials WHERE study_id = :s AND state = 'running'"
    ),
    "the next number was given before": _set("tuner_studies", "next_number", 1),
    "a result without its value": _sql(
        "UPDATE tuner_trials SET objective = NULL, values_json = NULL"
        " WHERE study_id = :s AND state = 'complete'"
    ),
    "a result with too many values": _set("tuner_trials", "values_json", "[1.0, 2.0, 3.0]"),
    "a result that never ended": _set("tuner_trials", "finished", None),
    "a result that is told twice": _set("tuner_trials", "told", 1),
    "a failure without a cause": _set("tuner_trials", "cause", None),
    "a running trial that was told": _set("tuner_trials", "told", 9, "AND state = 'running'"),
    "a lease without its end": _set("tuner_attempts", "lease_until", None),
    "an attempt without its run": _set("tuner_attempts", "run_dir", ""),
    "no attempts": _sql("DELETE FROM tuner_attempts WHERE study_id = :s"),
    "reports of a text": _set("tuner_reports", "value", "much"),
    "a state that nobody knows": _set("tuner_studies", "state", "resting"),
    "trials in a state that nobody knows": _set("tuner_trials", "state", "resting"),
    "attempts made at no time": _set("tuner_attempts", "created", "yesterday"),
    "events without a time": _set("tuner_events", "time", "then"),
}


def _typed() -> dict[str, Damage]:
    """Return, for every column of a study's tables, a value of another kind and broken JSON."""
    found: dict[str, Damage] = {}
    for table in (tables.studies, tables.trials, tables.attempts, tables.reports):
        for column in table.columns:
            keys = ("id", "study_id", "number", "no", "step", "project", "name", "token")
            if column.name in keys:
                continue
            where = f"{table.name}.{column.name}"
            if column.name.endswith("_json"):
                found[f"{where} is not JSON"] = _set(table.name, column.name, "{")
                found[f"{where} is of another shape"] = _set(table.name, column.name, '"x"')
            elif isinstance(column.type, sa.Integer | sa.Float | sa.Boolean):
                found[f"{where} is a text"] = _set(table.name, column.name, "many")
            else:
                found[f"{where} is bytes"] = _set(table.name, column.name, b"\x00\xff")
    return found


TYPED = _typed()


def apply(house: House, damage: Damage) -> None:
    """Damage the victim, as another program on the same file would."""
    db = sqlite3.connect(house.path, isolation_level=None)
    try:
        db.execute("PRAGMA foreign_keys=OFF")
        query = "SELECT id FROM tuner_studies WHERE name = 'victim'"
        damage(db, db.execute(query).fetchone()[0])
    finally:
        db.close()
