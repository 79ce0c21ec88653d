"""Runs of studies that have ended, as rows of a database, and a real filer that files them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.support.hostile.planted import Ground
from tuner.service.files.run_file_writer import RunFileWriter
from tuner.service.insights.computing import Insights
from tuner.service.service import Service
from tuner.settings import load_settings
from tuner.storage import Storage, open_storage, tables

#: Long enough ago that no grace is left.
AGO_S = 100.0


class FilingLab:
    """A database, both roots, and a service and a filer on them.

    Args:
        folder: where everything is.
        storage: the database.
    """

    def __init__(self, folder: Path, storage: Storage) -> None:
        self.folder = folder
        self.storage = storage
        self.settings = load_settings({"TUNER_HOME": str(folder)})
        self.service = Service(storage, self.settings)
        self._is_started = False
        self.filer = self.make_filer(Insights(None))

    def make_filer(self, insights: Insights) -> RunFileWriter:
        """Return another filer, with insights of its own, instead of the one that there is."""
        roots = (self.settings.log_root, self.settings.checkpoint_root)
        self.filer = RunFileWriter(self.storage, *roots, insights=insights)
        return self.filer

    def start(self) -> None:
        """Start the filer, which the end of the lab stops."""
        self.filer.start()
        self._is_started = True

    def stop(self) -> None:
        """Stop the filer, if it was started; again has no effect."""
        if self._is_started:
            self.filer.stop()
        self._is_started = False

    def add_study(
        self, name: str, trials: int = 1, *, project: str = "lab", **trial: Any
    ) -> list[str]:
        """Add a study whose trials have ended; return their attempts' ids.

        Args:
            name: of the study, used once.
            trials: how many; each has one attempt, one report and no file.
            project: of the study.
            trial: the spec's part of this name.
        """
        spec = {
            "project": project,
            "study": name,
            "objective": "m:f",
            "metric": {"name": "score", "goal": "maximize"},
            "search_space": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
            "budget": {"trials": 100},
            "trial": trial,
        }
        self.service.submit(spec)
        with self.storage.begin() as connection:
            s = tables.studies
            query = sa.select(s).where(s.c.project == project, s.c.name == name)
            study = connection.execute(query).one()
            for number in range(trials):
                _add_trial(connection, study, number)
            values = {"told": trials, "next_number": trials}
            connection.execute(s.update().where(s.c.id == study.id).values(**values))
        return [f"{name}-{number}" for number in range(trials)]

    def ground(self, study: str, guard: Path, number: int = 0, *, project: str = "lab") -> Ground:
        """Return where the run of a trial lies."""
        return Ground(
            log_root=self.settings.log_root,
            checkpoint_root=self.settings.checkpoint_root,
            run_dir=_run_dir(project, study, number),
            checkpoint_dir=f"{project}/{study}/trial_{number:05d}",
            guard=guard,
        )

    def filed(self) -> set[str]:
        """Return the attempts that are filed."""
        a = tables.attempts
        with self.storage.read() as connection:
            return set(connection.execute(sa.select(a.c.id).where(a.c.filed)).scalars())

    def unfiled(self) -> dict[tuple[str, str], sa.Row[Any]]:
        """Return what is noted as not written, by kind and "STUDY" or attempt."""
        u, s = tables.unfiled, tables.studies
        query = sa.select(u, s.c.name.label("study")).outerjoin(s, s.c.id == u.c.study_id)
        with self.storage.read() as connection:
            rows = connection.execute(query).all()
        return {(row.kind, row.key or row.study or ""): row for row in rows}

    def filed_studies(self) -> set[str]:
        """Return the studies whose own run holds all results."""
        s = tables.studies
        with self.storage.read() as connection:
            query = sa.select(s.c.name).where(s.c.filed == s.c.told)
            return set(connection.execute(query).scalars())

    def retry_now(self) -> None:
        """Have everything that failed be tried again with the next round."""
        with self.storage.begin() as connection:
            connection.execute(tables.unfiled.update().values(next_try=0.0))


@contextmanager
def filing_lab(folder: Path) -> Iterator[FilingLab]:
    """Make a lab; its filer is started by the test, and ended here."""
    storage = open_storage(f"sqlite:///{folder}/tuner.db", create=True)
    lab = FilingLab(folder, storage)
    try:
        yield lab
    finally:
        lab.stop()
        storage.close()


def _run_dir(project: str, study: str, number: int) -> str:
    return f"{project}/{study}/trial_{number:05d}-20261128T000000Z"


def _add_trial(connection: sa.Connection, study: sa.Row[Any], number: int) -> None:
    now = time.time()
    attempt = f"{study.name}-{number}"
    value = number / 8
    connection.execute(
        tables.trials.insert().values(
            study_id=study.id,
            number=number,
            state="complete",
            params_json='{"x": 0.5}',
            seed=0,
            proposal_json="{}",
            optuna_id=-1,
            objective=value,
            values_json=json.dumps([value]),
            told=number + 1,
            outcome_attempt=attempt,
            created=now,
        )
    )
    connection.execute(
        tables.attempts.insert().values(
            id=attempt,
            study_id=study.id,
            number=number,
            no=1,
            state="done",
            run_dir=_run_dir(study.project, study.name, number),
            created=now,
            claimed=now - AGO_S,
            finished=now - AGO_S,
        )
    )
    connection.execute(
        tables.reports.insert().values(
            study_id=study.id, number=number, no=1, step=1, value=value, time=now
        )
    )
