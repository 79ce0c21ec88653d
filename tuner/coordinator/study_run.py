"""What the coordinator keeps in memory about one study; rebuilt from the Storage at any time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.artifact import Artifact
from tuner.coordinator.attempts import ENDED
from tuner.coordinator.first_rung import FirstRung
from tuner.coordinator.frozen import freeze, told_values
from tuner.coordinator.halving_pruner import HalvingPruner
from tuner.coordinator.history_pruner import HistoryPruner
from tuner.coordinator.learners import learns
from tuner.coordinator.lessons import load_lesson
from tuner.coordinator.marks import FIRST_RUNG
from tuner.coordinator.mirror import Mirror
from tuner.coordinator.proposal import RETRY, Choice, Proposal
from tuner.coordinator.proposing import Proposer
from tuner.coordinator.pruners import make_pruner
from tuner.coordinator.setbacks import Setbacks
from tuner.coordinator.speculation import Speculation
from tuner.curves.belief import CurveBelief
from tuner.history.early import EarlyRanks
from tuner.history.own import fixed_values
from tuner.samplers import import_sampler
from tuner.samplers.marks import OVERDUE
from tuner.spec import StudySpec, parse_stored
from tuner.storage import Storage, optuna_rows, tables
from tuner.storage.curves import read_curves

#: The longest that a study waits for its first lesson, seconds: a history of a thousand studies
#: takes a third of it. What history cannot tell because of a fault is told at once.
LESSON_WAIT_S = 30.0


class StudyRun:
    """One study as the coordinator sees it: mirror, proposer, and counters that cost no query.

    Attributes:
        study: the study's row when it was loaded; `revision` tells whether it is still current.
        used: ended trials that count in the budget.
        in_flight: proposed trials without an outcome that was told.
    """

    def __init__(
        self, study: sa.Row[Any], spec: StudySpec, on_ready: Callable[[], None] = lambda: None
    ) -> None:
        self.study = study
        self.spec = spec
        self.name = f"{study.project}/{study.name}"
        goals = [metric.goal for metric in spec.metrics]
        self._pruner = make_pruner(spec.pruner.name, spec.pruner.options)
        if isinstance(self._pruner, HistoryPruner | HalvingPruner):
            self._pruner.constants = fixed_values(spec.space)
        #: Whether something has changed since the first rung was looked at.
        self._rung_is_due = isinstance(self._pruner, HalvingPruner)
        all_curves = spec.pruner.name != "none"
        self.mirror = Mirror(self.name, goals, self._pruner, all_curves=all_curves)
        self.proposer = Proposer(
            spec.space,
            spec.sampler.name,
            study.seed % 2**32,
            list(spec.start_with),
            spec.sampler.options,
            spec.metrics[0].name if len(spec.metrics) == 1 else "",
            spec.trial.timeout,
        )
        self.speculation = Speculation(self.mirror, self.proposer, on_ready)
        #: The attempt of each trial that reported last.
        self._reporting: dict[int, int] = {}
        #: Whether its sampler or its pruner takes something from history.
        self.learns = learns(spec)
        #: Of the history that its newest lesson was made of, and what that said; None: no lesson.
        self.lesson_version: str | None = None
        self.lesson_text = ""
        self._patience_until = time.monotonic() + LESSON_WAIT_S
        self.used = 0
        self.in_flight = 0
        self.trial_s: float | None = None
        self.best: float | None = None
        self.since_best = 0
        #: Failed trials to be tried again, with their parameters.
        self.again: list[tuple[int, dict[str, Any]]] = []
        self._maximize = goals[0] == "maximize"
        self.setbacks = Setbacks(self.name)
        #: Why the sampler has nothing left to propose, once that is so.
        self.exhausted = ""

    @property
    def remaining(self) -> int | None:
        """How many more trials the budget allows to be proposed; None without a limit."""
        if self.spec.budget.trials is None:
            return None
        return max(0, self.spec.budget.trials - self.used - self.in_flight)

    @property
    def nothing_left(self) -> str:
        """Why no further trial can be proposed, a failed one to be tried again included."""
        return "" if self.again else self.exhausted

    @property
    def awaits_lesson(self) -> bool:
        """Whether it had better wait a little for what history has to say."""
        is_early = self.learns and self.lesson_version is None
        return is_early and time.monotonic() < self._patience_until

    def take_lesson(
        self,
        artifact: Artifact | None,
        version: str,
        text: str,
        *,
        belief: CurveBelief | None = None,
        early: EarlyRanks | None = None,
    ) -> None:
        """Propose from now on with what was learnt from history, and prune by its curves."""
        self.proposer.artifact = artifact
        if isinstance(self._pruner, HistoryPruner):
            self._pruner.take(belief)
        if isinstance(self._pruner, HalvingPruner):
            self._pruner.early = early
            self._rung_is_due = True
        self.lesson_version = version
        self.lesson_text = text

    @property
    def rung_is_open(self) -> bool:
        """Whether the pruner's first rung is to be looked at; history has the first word."""
        return self._rung_is_due and not self.awaits_lesson

    @property
    def first_rung(self) -> FirstRung | None:
        """Where its pruner judges first; None: it has no rungs, or none yet."""
        return self._pruner.rung if isinstance(self._pruner, HalvingPruner) else None

    def decide_rung(self) -> FirstRung | None:
        """Return what is to be stored of the first rung; None: it stays."""
        if not isinstance(self._pruner, HalvingPruner):
            return None
        return self._pruner.decide(self.mirror.study)

    def take_rung(self, rung: FirstRung | None) -> None:
        """Judge from this first rung on, now that it is stored; None: it stays."""
        self._rung_is_due = False
        if rung is not None and isinstance(self._pruner, HalvingPruner):
            self._pruner.take(rung)

    def load_rung(self, stored: Mapping[str, Any] | None) -> None:
        """Take the first rung that the Storage holds, unless the spec says another one since."""
        if stored is None or not isinstance(self._pruner, HalvingPruner):
            return
        rung, given = FirstRung(**stored), self._pruner.rung
        if (
            (rung.kind != "given")
            if given is None
            else (rung.step, rung.kind) == (given.step, "given")
        ):
            self._pruner.take(rung)

    @property
    def free_slots(self) -> int | None:
        """How many more trials `parallel` allows at once; None without a cap."""
        if self.spec.parallel is None:
            return None
        return max(0, self.spec.parallel - self.in_flight)

    def judge(self, number: int, attempt: int, points: Sequence[tuple[int, float]]) -> bool:
        """Enter reports of a running trial; return whether the pruner gives it up.

        Args:
            number: of the trial.
            attempt: number of the attempt that reports. What an earlier one reported from its
                first step on is taken back: a pruner looks at the last step there is.
            points: steps and values, in the order of the steps.
        """
        if points and attempt > self._reporting.get(number, 0):
            self._reporting[number] = attempt
            self.mirror.take_back(number, points[0][0])
        # Every point is entered, also behind one that already decides.
        verdicts = [self.mirror.report(number, step, value) for step, value in points]
        return any(verdicts)

    def next_retry(self) -> Proposal | None:
        """Return the configuration of the next failed trial that the user wants tried again.

        It stays the next one until it is `proposed`: its commit may fail.
        """
        if not self.again:
            return None
        number, params = self.again[0]
        return Proposal(
            choice=Choice(params=params, sampler=RETRY, seed=0),
            told=self.mirror.told,
            trials=len(self.mirror),
            pending=tuple(self.mirror.pending()),
            all_curves=self.mirror.all_curves,
            retry_of=number,
        )

    def proposed(self, params: Mapping[str, Any], *, is_retry: bool) -> None:
        """Note that a trial with `params` was proposed and stored."""
        if is_retry and self.again:
            self.again.pop(0)
        self.proposer.remember(params, is_retry=is_retry)
        self.in_flight += 1

    def ended(self, trial: sa.Row[Any]) -> None:
        """Count a trial whose outcome was told."""
        self.in_flight -= 1
        self._rung_is_due = isinstance(self._pruner, HalvingPruner)
        self.used += bool(trial.counted)
        self.setbacks.note(trial)
        self.mirror.forget(self.setbacks.mended)
        if _had_less_time(trial, self.spec):
            self.mirror.forget([trial.number])
        if trial.duration_s is not None:
            # A moving average follows a study whose trials grow longer.
            old = self.trial_s
            self.trial_s = trial.duration_s if old is None else 0.9 * old + 0.1 * trial.duration_s
        if trial.state == "complete" and trial.objective is not None:
            self._note_objective(trial.objective)

    def _note_objective(self, objective: float) -> None:
        better = self.best is None or (
            objective > self.best if self._maximize else objective < self.best
        )
        if better:
            self.best, self.since_best = objective, 0
        else:
            self.since_best += 1

    def close(self) -> None:
        """Let go of the proposing thread."""
        self.speculation.close()


def load_study_run(
    storage: Storage, study: sa.Row[Any], on_ready: Callable[[], None] = lambda: None
) -> StudyRun:
    """Rebuild what the coordinator knows about a study from the database.

    Raises:
        MissingRowsError: Optuna's tables do not hold the study any more.
        Exception: whatever else its rows are in the way of.
    """
    spec = parse_stored(json.loads(study.spec_json))
    import_sampler(spec.sampler.name)
    run = StudyRun(study, spec, on_ready)
    t = tables.trials
    with storage.read() as connection:
        rows = connection.execute(
            sa.select(t).where(t.c.study_id == study.id).order_by(t.c.number)
        ).all()
        optuna_rows.require_study(connection, study.optuna_id, run.name)
        _require_all(connection, study, rows)
        attrs = optuna_rows.trial_attrs(connection, study.optuna_id)
        wanted = run.mirror.all_curves or any(row.state == "pruned" for row in rows)
        curves = read_curves(connection, study.id) if wanted else {}
        study_attrs = optuna_rows.study_attrs(connection, study.optuna_id)
        # The pruner's, and no business of the sampler.
        run.load_rung(study_attrs.pop(FIRST_RUNG, None))
        run.mirror.load_study_attrs(study_attrs)
        lesson = load_lesson(connection, study.id) if run.learns else None
    if lesson is not None:
        run.take_lesson(
            lesson.artifact,
            lesson.version,
            lesson.text,
            belief=lesson.belief,
            early=lesson.early,
        )
    for row in rows:
        params = json.loads(row.params_json)
        run.proposed(params, is_retry=json.loads(row.proposal_json).get("retry_of") is not None)
        is_told = row.told is not None and row.state in ENDED
        frozen = freeze(
            run.proposer,
            params,
            state=row.state if is_told else None,
            values=told_values(row) if is_told else (),
            attrs=attrs.get(row.optuna_id, {}),
            curve=curves.get(row.number, {}),
        )
        run.mirror.load_trial(row.number, frozen)
    told = sorted((row for row in rows if row.told is not None), key=lambda row: row.told)
    for row in told:
        run.ended(row)
    run.again = _retries(study, rows)
    run.mirror.forget(_mended(study, rows))
    return run


def _require_all(
    connection: sa.Connection, study: sa.Row[Any], rows: Sequence[sa.Row[Any]]
) -> None:
    """See that every trial that was ever given a number is there, and none twice."""
    s = tables.studies
    query = sa.select(s.c.next_number).where(s.c.id == study.id)
    given = connection.execute(query).scalar_one_or_none()
    if given is not None and [row.number for row in rows] != list(range(given)):
        raise optuna_rows.MissingRowsError(
            f"it has given {given} trials a number, and the rows of {len(rows)} are there"
        )


def _had_less_time(trial: sa.Row[Any], spec: StudySpec) -> bool:
    """Whether a limit ended a trial that is shorter than the study's present one."""
    if trial.cause != OVERDUE or not trial.duration_s:
        return False
    return spec.trial.timeout is None or trial.duration_s < spec.trial.timeout


def _mended(study: sa.Row[Any], rows: Sequence[sa.Row[Any]]) -> list[int]:
    """Return the trials whose failures are no lessons: of other code, or to be tried again.

    Other code fails elsewhere; and what is tried again gives a lesson of its own.
    """
    again = set(json.loads(study.retry_json))
    return [row.number for row in rows if row.code != study.code or row.number in again]


def _retries(study: sa.Row[Any], rows: Sequence[sa.Row[Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Return the failed trials that are to be tried again and were not proposed again yet."""
    done = {json.loads(row.proposal_json).get("retry_of") for row in rows}
    # A study that is deleted at this moment has a row, as it was, and no trials.
    found = {row.number: row for row in rows}
    return [
        (number, json.loads(found[number].params_json))
        for number in json.loads(study.retry_json)
        if number in found and number not in done
    ]
