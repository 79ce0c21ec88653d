"""What the coordinator keeps in memory about one study; rebuilt from the Storage at any time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.trial import FrozenTrial, TrialState

from tuner.coordinator.attempts import ENDED
from tuner.coordinator.curves import read_curves
from tuner.coordinator.mirror import STATES, Mirror
from tuner.coordinator.proposing import Proposal, Proposer
from tuner.coordinator.pruners import make_pruner
from tuner.coordinator.setbacks import Setbacks
from tuner.coordinator.speculation import Speculation
from tuner.spec import StudySpec, parse_spec
from tuner.storage import Storage, optuna_rows, tables


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
        pruner = make_pruner(spec.pruner.name, spec.pruner.options)
        self.mirror = Mirror(self.name, goals, pruner)
        self.proposer = Proposer(
            spec.space,
            spec.sampler.name,
            study.seed % 2**32,
            list(spec.start_with),
            spec.sampler.options,
        )
        self.speculation = Speculation(self.mirror, self.proposer, on_ready)
        self.used = 0
        self.in_flight = 0
        self.trial_s: float | None = None
        self.best: float | None = None
        self.since_best = 0
        self.saved_attrs: dict[str, Any] = {}
        #: Failed trials to be tried again, with their parameters.
        self.again: list[tuple[int, dict[str, Any]]] = []
        self._maximize = goals[0] == "maximize"
        self.setbacks = Setbacks()
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
    def free_slots(self) -> int | None:
        """How many more trials `parallel` allows at once; None without a cap."""
        if self.spec.parallel is None:
            return None
        return max(0, self.spec.parallel - self.in_flight)

    def judge(self, number: int, points: Sequence[tuple[int, float]]) -> bool:
        """Enter reports of a running trial; return whether the pruner gives it up."""
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
            params=params,
            sampler="retry",
            seed=0,
            told=self.mirror.told,
            pending=tuple(self.mirror.pending()),
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
        self.used += bool(trial.counted)
        self.setbacks.note(trial)
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
    """Rebuild what the coordinator knows about a study from the database."""
    spec = parse_spec(json.loads(study.spec_json))
    run = StudyRun(study, spec, on_ready)
    t = tables.trials
    with storage.read() as connection:
        rows = connection.execute(
            sa.select(t).where(t.c.study_id == study.id).order_by(t.c.number)
        ).all()
        attrs = optuna_rows.trial_attrs(connection, study.optuna_id)
        curves = read_curves(connection, study.id) if spec.pruner.name != "none" else {}
        run.saved_attrs = optuna_rows.study_attrs(connection, study.optuna_id)
    run.mirror.load_study_attrs(run.saved_attrs)
    for row in rows:
        params = json.loads(row.params_json)
        run.proposed(params, is_retry=json.loads(row.proposal_json).get("retry_of") is not None)
        frozen = _frozen(run, row, params, attrs.get(row.optuna_id, {}), curves.get(row.number, {}))
        run.mirror.load_trial(row.number, frozen)
    told = sorted((row for row in rows if row.told is not None), key=lambda row: row.told)
    for row in told:
        run.ended(row)
    run.again = _retries(study, rows)
    return run


def _retries(study: sa.Row[Any], rows: Sequence[sa.Row[Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Return the failed trials that are to be tried again and were not proposed again yet."""
    done = {json.loads(row.proposal_json).get("retry_of") for row in rows}
    return [
        (number, json.loads(rows[number].params_json))
        for number in json.loads(study.retry_json)
        if number not in done
    ]


def _frozen(
    run: StudyRun,
    row: sa.Row[Any],
    params: dict[str, Any],
    attrs: dict[str, Any],
    curve: dict[int, float],
) -> FrozenTrial:
    is_told = row.told is not None and row.state in ENDED
    state = STATES[row.state] if is_told else TrialState.RUNNING
    values = json.loads(row.values_json) if is_told and row.values_json else []
    external, distributions = run.proposer.decode(params)
    return optuna.trial.create_trial(
        state=state,
        values=values or None,
        params=external,
        distributions=distributions,
        system_attrs=attrs,
        intermediate_values=curve,
    )
