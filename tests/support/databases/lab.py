"""Databases for tests of backup, restore and upgrade: the command line, rows, a study half done."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
import sqlalchemy as sa

from tests.support.protocol_worker import Held
from tests.support.service_process import ROOT
from tests.support.study_lab import CLOSED, Lab
from tuner.cli.main import main
from tuner.storage import Storage
from tuner.storage.backups.numbering import read_next_ids, set_next_ids
from tuner.storage.revisions import Schema, newest
from tuner.storage.schema import data_tables, migrate

TUNER = (sys.executable, "-P", "-m", "tuner")
Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Cli:
    """The command line of one home and one database.

    Attributes:
        tree: the source that is run.
    """

    home: Path
    database_url: str
    tree: Path = ROOT

    @property
    def environ(self) -> dict[str, str]:
        """The environment of its commands."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TUNER_")}
        return kept | {
            "TUNER_HOME": str(self.home),
            "TUNER_DATABASE_URL": self.database_url,
            "PYTHONPATH": str(self.tree),
            "COLUMNS": "200",
        }

    def run(self, *args: object) -> Done:
        """Run a command to its end in this process, which saves a second each time."""
        out, err = io.StringIO(), io.StringIO()
        changed = mock.patch.dict(os.environ, self.environ, clear=True)
        streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
        with changed, streams[0], streams[1], pytest.raises(SystemExit) as end:
            main([str(arg) for arg in args])
        return Done(code=int(end.value.code or 0), out=out.getvalue(), err=err.getvalue())

    def run_apart(self, *args: object, first: str = ":", stdout: Any = subprocess.PIPE) -> Done:
        """Run a command in a process of its own; `first` is what the shell does before."""
        done = subprocess.run(
            ["bash", "-c", f'{first}; exec "$@"', "bash", *TUNER, *map(str, args)],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout or "", err=done.stderr)

    def ok(self, *args: object) -> Done:
        """Run a command that must exit with 0."""
        done = self.run(*args)
        assert done.code == 0, done
        return done

    def refused(self, code: int, *args: object) -> str:
        """Run a command that must exit with `code`; return its message, which is no traceback."""
        done = self.run(*args)
        assert done.code == code, done
        assert done.err.startswith("tuner: "), done.err
        assert "Traceback" not in done.err
        return done.err


@contextlib.contextmanager
def opened(url: str) -> Iterator[Storage]:
    """Give a database as it is."""
    storage = Storage(url)
    try:
        yield storage
    finally:
        storage.close()


def read_rows(url: str, *, without: dict[str, set[str]] | None = None) -> Rows:
    """Return every row of every table, as plain values, in the order of the keys.

    Args:
        without: columns to leave out, by table; {"*"} leaves the table out.
    """
    without = without or {}
    found: Rows = {}
    with opened(url) as storage, storage.read() as connection:
        for table in data_tables(connection):
            skip = without.get(table.name, set())
            if "*" in skip:
                continue
            rows = connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()
            found[table.name] = [{k: v for k, v in row.items() if k not in skip} for row in rows]
    return found


def read_shape(url: str) -> dict[str, Any]:
    """Return the form of every table, and the revisions."""
    with opened(url) as storage, storage.read() as connection:
        inspector = sa.inspect(connection)
        names = sorted(inspector.get_table_names())
        versions = [n for n in names if n.endswith("alembic_version")]
        return {
            **{n: sorted(c["name"] for c in inspector.get_columns(n)) for n in names},
            "revisions": [
                connection.execute(sa.select(sa.text("version_num")).select_from(sa.table(n))).all()
                for n in versions
            ],
        }


def copy_as(source: str, target: str, revision: str) -> None:
    """Fill an empty database as a release with that revision had it, from a newer one."""
    with (
        opened(source) as old,
        opened(target) as new,
        old.read() as reading,
        new.change_schema() as writing,
    ):
        migrate(writing, Schema(tuner=revision, optuna=newest().optuna))
        known = {table.name: table for table in data_tables(reading)}
        for table in data_tables(writing):
            columns = [known[table.name].c[column.name] for column in table.columns]
            rows = reading.execute(sa.select(*columns)).mappings().all()
            if rows:
                writing.execute(table.insert(), [dict(row) for row in rows])
        set_next_ids(writing, read_next_ids(reading))


@dataclass
class Crew:
    """Workers that run a study's trials, each in a thread, until they are told to stop.

    Mutable: they take down what the server has accepted as outcome, by trial, and whose result
    came too late: on a busy machine a thread may sleep through its lease, and a second attempt
    gives the trial its outcome.
    """

    lab: Lab
    size: int = 3
    trial_s: float = 0.02
    accepted: dict[int, float] = field(default_factory=dict)
    late: list[int] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    @contextlib.contextmanager
    def working(self) -> Iterator[Crew]:
        """Have them work during the block."""
        self._stop.clear()
        self._threads = [
            threading.Thread(target=self._work, args=(f"crew-{n}",)) for n in range(self.size)
        ]
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(60)
        assert not self.errors, self.errors
        for trial in self.late:
            states = [state for state, _ in self.lab.attempts(trial)]
            assert {"lost", "done"} <= set(states), (trial, states)

    def wait_done(self, count: int) -> None:
        """Return when so many trials were accepted."""
        self.lab.wait(lambda: self.errors or len(self.accepted) >= count, f"{count} trials")

    def _work(self, name: str) -> None:
        worker = self.lab.worker(name)
        try:
            while not self._stop.is_set():
                held = worker.try_claim(wait_s=0.2)
                if held is not None:
                    self._run(held)
        except (AssertionError, httpx.HTTPError) as exc:
            self.errors.append(exc)

    def _run(self, held: Held) -> None:
        held.report(1, 0.5)
        self._stop.wait(self.trial_s)
        answer = held.complete(score(held))
        if answer.status_code == 409 and "already has an outcome" in answer.text:
            self.late.append(held.trial)
            return
        assert answer.status_code == 200, answer.text
        if answer.json()["is_outcome"]:
            assert held.trial not in self.accepted, "one outcome per trial"
            self.accepted[held.trial] = score(held)


def score(held: Held) -> float:
    """Return the objective of the trial's parameters."""
    return float(held.params["x"])


def finish(lab: Lab, crew: Crew) -> dict[int, float]:
    """Run the study to its end; return what was accepted."""
    with crew.working():
        lab.wait(lambda: lab.status()["state"] in CLOSED, "the study ends", timeout_s=60)
    return crew.accepted


def assert_exact(lab: Lab, budget: int) -> list[dict[str, Any]]:
    """Check the trials of a study that has ended, and return them."""
    status = lab.status()
    trials = lab.trials()
    by_number = {trial["trial"]: trial for trial in trials}

    assert status["state"] == "finished"
    assert status["counts"]["complete"] == budget
    assert sorted(by_number) == list(range(budget)), "every number once"
    assert all(trial["objective"] == trial["params"]["x"] for trial in trials)
    assert status["best"]["objective"] == max(trial["objective"] for trial in trials)
    told = [(trial.number, trial.state.name, trial.values) for trial in lab.optuna_trials()]
    assert told == [(n, "COMPLETE", [by_number[n]["objective"]]) for n in range(budget)]
    for number in by_number:
        states = [state for state, _ in lab.attempts(number)]
        assert states.count("done") == 1, (number, states)
        assert not {"ready", "leased"} & set(states), (number, states)
    return trials
