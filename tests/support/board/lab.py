"""Log directories for TensorBoard's tab Best trials: a home with studies of any size.

The database has the rows, and the real worker's writer and the real filer write the files, so a
home looks like one in which the studies were run: `TUNER_HOME=DIR tuner board lab/endings`.
By hand: `python -m tests.support.board.lab DIR --trials 5000 --params 20`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.support.board.trials import Plan, Try, plan_trial, search_space
from tuner.exporters import repair_run
from tuner.protocol import Finished, WorkerInfo
from tuner.service.answers.records import trial_config, trial_record
from tuner.service.files.studies import StudyFiler
from tuner.service.insights.computing import Insights
from tuner.service.roots.care import Care
from tuner.service.roots.hands import Hands
from tuner.service.roots.probing import Roots
from tuner.service.service import Service
from tuner.service.workers.assigning import assign
from tuner.settings import load_settings
from tuner.spec import parse_spec
from tuner.storage import Storage, open_storage, tables
from tuner.trials.attempt import Attempt
from tuner.trials.specs import read_spec
from tuner.trials.store.attempts import run_dir
from tuner.trials.store.listings.logbook import attempts_of
from tuner.trials.study import Study
from tuner.trials.trial import Trial
from workers.records.environment import Environment
from workers.records.files import AttemptFiles

#: When the first trial began, seconds since the epoch; one begins every `_EVERY_S`.
_BEGAN = 1_795_900_000.0
_EVERY_S, _EPOCH_S = 2.0, 1.5
#: Rows that go into the database at once.
_BATCH = 500


class BoardLab:
    """A home: a database and both roots. Mutable: studies and trials are added.

    Args:
        home: its folder; as `TUNER_HOME` it is what the command line reads.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.settings = load_settings({"TUNER_HOME": str(home)})
        self.storage: Storage = open_storage(f"sqlite:///{home}/tuner.db", create=True)
        self.log_root = self.settings.log_root
        self._service = Service(self.storage, self.settings)
        facts = WorkerInfo(name="lab-1", host="lab", pid=1, isolation="spawn")
        self._environment = Environment(facts, {"TF_DETERMINISTIC_OPS": "1"}, {})

    def close(self) -> None:
        """Close the database."""
        self.storage.close()

    def add_study(
        self,
        name: str = "lab/endings",
        trials: int = 50,
        *,
        parameters: int = 12,
        epochs: int = 30,
        metrics: int = 1,
        live: int = 4,
        state: str = "running",
        **spec: Any,
    ) -> list[Plan]:
        """Add a study and all that its trials leave; return what they were to do.

        Args:
            name: "project/study", used once.
            trials: how many; of them `live` run or wait.
            parameters: of the search space.
            epochs: points of a curve.
            metrics: 1 or 2; the second is minimized.
            live: the last trials, which have not ended.
            state: of the study.
            spec: further keys of the spec.
        """
        project, study = name.split("/")
        space = search_space(parameters)
        wanted = [
            {"name": "val_accuracy", "goal": "maximize"},
            {"name": "size_mb", "goal": "minimize"},
        ]
        document = {
            "project": project,
            "study": study,
            "objective": "objectives:train",
            "metric": wanted[:metrics],
            "search_space": space,
            "budget": {"trials": max(1, trials)},
            "sampler": {"name": "random", "seed": 7},
            **spec,
        }
        self._service.submit(parse_spec(document).to_json())
        plans = [
            plan_trial(n, space, epochs=epochs, metrics=metrics, live=n >= trials - live)
            for n in range(trials)
        ]
        self.add_trials(name, plans)
        self.set_state(name, state)
        return plans

    def set_state(self, name: str, state: str) -> None:
        """Change the state of a study, and file it."""
        s = tables.studies
        with self.storage.begin() as connection:
            row = _study(connection, name)
            closed = {"finished": _BEGAN + row.next_number * _EVERY_S} if state != "running" else {}
            values = {"state": state, "told": row.told + 1, **closed}
            connection.execute(s.update().where(s.c.id == row.id).values(**values))
        self.file_studies()

    def add_trials(self, name: str, plans: Sequence[Plan]) -> None:
        """Add trials to a study: their rows, then their files."""
        with self.storage.begin() as connection:
            study = _study(connection, name)
            for start in range(0, len(plans), _BATCH):
                _insert(connection, study, plans[start : start + _BATCH])
            s = tables.studies
            numbers = {
                "told": study.told + len(plans),
                "next_number": study.next_number + len(plans),
            }
            connection.execute(s.update().where(s.c.id == study.id).values(**numbers))
        cores = len(os.sched_getaffinity(0))
        if len(plans) < _BATCH or cores == 1:
            self._write_trials(name, plans)
            return
        # A trial takes some 6 ms of one core.
        parts = [(self.home, name, plans[first::cores]) for first in range(cores)]
        with multiprocessing.get_context("spawn").Pool(cores) as pool:
            pool.starmap(_write_part, parts)

    def file_studies(self, *, insights: bool = False) -> None:
        """Bring `_study` of each study up to date, as the coordinator does.

        Args:
            insights: whether they are computed, which takes seconds.
        """
        hands = Hands("lab-hand", 1, 600.0)
        roots = Roots(self.log_root, self.settings.checkpoint_root, hands)
        care = Care(self.storage, roots, hands)
        computing = Insights(self.storage if insights else None, wait_s=0.0)
        filer = StudyFiler(
            self.storage,
            self.log_root,
            self.settings.checkpoint_root,
            care,
            computing,
        )
        filer.file()
        while computing.wanted():
            time.sleep(0.05)
        if insights:
            filer.file(last=True)
        computing.stop()
        filer.drop_writers()

    def _write_trials(self, name: str, plans: Sequence[Plan]) -> None:
        t, a = tables.trials, tables.attempts
        with self.storage.read() as connection:
            study = _study(connection, name)
            trials = connection.execute(sa.select(t).where(t.c.study_id == study.id)).all()
            query = sa.select(a).where(a.c.study_id == study.id)
            attempts = {(row.number, row.no): row for row in connection.execute(query)}
            by_number = {trial.number: trial for trial in trials}
            for plan in plans:
                trial = by_number[plan.number]
                for no, attempt in enumerate(plan.tries, 1):
                    if attempt.is_claimed:
                        row = attempts[plan.number, no]
                        self._write_attempt(
                            connection, Study.of(study), Trial.of(trial), Attempt.of(row), attempt
                        )

    def _write_attempt(
        self,
        connection: sa.Connection,
        study: Study,
        trial: Trial,
        row: Attempt,
        attempt: Try,
    ) -> None:
        assignment = assign(connection, row)
        with closing(AttemptFiles(self.log_root, assignment)) as files:
            files.open(self._environment.config(assignment), row.claimed)
            for step, value, beside in attempt.points:
                files.add_point(step, value, beside, row.claimed + _EPOCH_S * step)
            files.note(f"trial {row.number} {attempt.state}: {attempt.error or 'ended well'}")
            if attempt.state in ("done", "failed"):
                attempts = attempts_of(connection, row.study_id, row.number)
                record = trial_record(connection, study, trial, row, attempts)
                is_outcome = trial.outcome_attempt == row.id
                files.finish(Finished(is_outcome=is_outcome, record=record))
        if attempt.state in ("lost", "cancelled"):
            # Its worker could not: the coordinator has found it, as in `RunFiler`.
            config = trial_config(study, trial, read_spec(study.spec_json), row)
            attempts = attempts_of(connection, row.study_id, row.number)
            record = trial_record(connection, study, trial, row, attempts)
            repair_run(self.log_root, config, record)


@contextmanager
def open_board_lab(home: Path) -> Iterator[BoardLab]:
    """Open a home, new or as it is; its database is closed behind the block."""
    with closing(BoardLab(home)) as lab:
        yield lab


def _write_part(home: Path, name: str, plans: Sequence[Plan]) -> None:
    with open_board_lab(home) as lab:
        lab._write_trials(name, plans)


def _study(connection: sa.Connection, name: str) -> sa.Row[Any]:
    s = tables.studies
    project, study = name.split("/")
    return connection.execute(sa.select(s).where(s.c.project == project, s.c.name == study)).one()


def _insert(connection: sa.Connection, study: sa.Row[Any], plans: Iterable[Plan]) -> None:
    trials, attempts, reports = [], [], []
    for plan in plans:
        began = _BEGAN + plan.number * _EVERY_S
        ids = [f"{study.project}-{study.name}-{plan.number}-{no}" for no in range(len(plan.tries))]
        for no, attempt_id in enumerate(ids, 1):
            claimed = began + 120.0 * (no - 1)
            attempts.append(_attempt(study, plan, no, attempt_id, claimed))
            reports += _reports(study, plan, no, claimed)
        ended = attempts[-1]["finished"] if plan.values or plan.state == "fail" else None
        trials.append(
            {
                "study_id": study.id,
                "number": plan.number,
                "state": plan.state,
                "params_json": json.dumps(plan.params),
                "seed": plan.number * 7919 % 2**31,
                "proposal_json": json.dumps(_proposal(plan)),
                "optuna_id": -1,
                "objective": plan.values[0] if plan.values else None,
                "values_json": json.dumps(plan.values) if ended else None,
                "metrics_json": json.dumps(plan.metrics) if ended else None,
                "cause": plan.cause,
                "error": plan.tries[-1].error if plan.state == "fail" else "",
                "told": plan.number + 1 if ended else None,
                "outcome_attempt": ids[-1] if ended else None,
                "created": began,
                "started": began if plan.state != "waiting" else None,
                "finished": ended,
                "duration_s": attempts[-1]["duration_s"],
            }
        )
    for table, rows in (
        (tables.trials, trials), (tables.attempts, attempts), (tables.reports, reports),
    ):  # fmt: skip
        if rows:
            connection.execute(table.insert(), rows)


def _attempt(
    study: sa.Row[Any], plan: Plan, no: int, attempt_id: str, claimed: float
) -> dict[str, Any]:
    attempt = plan.tries[no - 1]
    lasted = _EPOCH_S * (len(attempt.points) + 1)
    ended = attempt.state not in ("ready", "leased")
    return {
        "id": attempt_id,
        "study_id": study.id,
        "number": plan.number,
        "no": no,
        "state": attempt.state,
        "worker": "lab-1" if attempt.is_claimed else None,
        "host": "lab" if attempt.is_claimed else None,
        "lease_until": time.time() + 1e6 if attempt.state == "leased" else None,
        "token": f"{attempt_id:0>32}" if attempt.state == "leased" else None,
        "run_dir": run_dir(study.project, study.name, plan.number, no, claimed),
        "created": claimed,
        "claimed": claimed if attempt.is_claimed else None,
        "finished": claimed + lasted if ended else None,
        "cause": attempt.cause,
        "error": attempt.error,
        "duration_s": lasted if ended else None,
        "filed": ended,
    }


def _reports(study: sa.Row[Any], plan: Plan, no: int, claimed: float) -> list[dict[str, Any]]:
    return [
        {
            "study_id": study.id,
            "number": plan.number,
            "no": no,
            "step": step,
            "value": None if math.isnan(value) else value,
            "special": "nan" if math.isnan(value) else None,
            "metrics_json": json.dumps(beside),
            "time": claimed + _EPOCH_S * step,
        }
        for step, value, beside in plan.tries[no - 1].points
    ]


def _proposal(plan: Plan) -> dict[str, Any]:
    insight = {"source": "history", "share": 0.6} if plan.by_history else None
    return {"sampler": "bayesian", "told": plan.number, "retry_of": None, "insight": insight}


def main() -> None:
    """Make a home, and say how it is looked at."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path, help="an empty or new folder")
    parser.add_argument("--study", default="lab/endings")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--params", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--metrics", type=int, choices=(1, 2), default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with open_board_lab(options.home) as lab:
        lab.add_study(
            options.study,
            options.trials,
            parameters=options.params,
            epochs=options.epochs,
            metrics=options.metrics,
        )
        print(f"made in {time.monotonic() - began:.1f} s")  # noqa: T201
        print(f"TUNER_HOME={options.home} tuner board {options.study}")  # noqa: T201
        print(f"python -m tensorboard.main --logdir {lab.log_root / options.study}")  # noqa: T201


if __name__ == "__main__":
    main()
