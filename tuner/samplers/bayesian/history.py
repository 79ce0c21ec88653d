"""Earlier Optuna studies, lists of their trials, and sources, as priors of a study."""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.samplers.bayesian.curve import finite_reports
from tuner.samplers.bayesian.dialect import Dialect
from tuner.surrogate.columns import Floats
from tuner.surrogate.history.building import POINTS, build_prior
from tuner.surrogate.history.foretelling import correlations
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.history.source import FINAL, Source

Given = Study | Sequence[FrozenTrial] | Source

#: The seed of the points on which all sources meet: the same for every study of a space.
_SEED = 0

Row = tuple[Floats, float, int]


def priors_of(
    history: Sequence[Given],
    dialect: Dialect,
    directions: Sequence[StudyDirection],
    memory: MutableMapping[str, Any],
) -> tuple[Prior | None, ...]:
    """Return what history says of each objective of a study; None where it says nothing.

    Earlier studies are read once: trials that they get later are not taken in.

    Args:
        history: Optuna studies, lists of trials (of the same directions as the study's), sources
            (they inform the first objective).
        dialect: of the study.
        directions: of the study's objectives.
        memory: keeps the result; only saves time.
    """
    key = dialect.key, tuple(directions), tuple(id(item) for item in history)
    if memory.get("priors_key") != key:
        candidates = dialect.encoding.sample(POINTS, _SEED)
        models = memory.setdefault("models", {})
        priors = tuple(
            build_prior(
                dialect.encoding.columns,
                candidates,
                sources_of(history, dialect, directions, objective),
                models,
            )
            for objective in range(len(directions))
        )
        memory.update({"priors_key": key, "priors": priors})
    found: tuple[Prior | None, ...] = memory["priors"]
    return found


def sources_of(
    history: Sequence[Given],
    dialect: Dialect,
    directions: Sequence[StudyDirection],
    objective: int,
) -> list[Source]:
    """Return the sources that inform one objective; those without any value are left out.

    An Optuna study is read by its own directions. A trial that failed is left out, because the
    machine may have been at fault; one that ended without a finite value, or that violates a
    constraint, counts as infeasible.

    Raises:
        TypeError: an entry is none of the kinds.
        ValueError: a source does not have the study's columns.
    """
    found = []
    for number, item in enumerate(history):
        if isinstance(item, Source):
            if objective == 0:
                found.append(_checked(item, dialect))
            continue
        source = _source(f"history[{number}]", item, dialect, directions, objective)
        if source is not None:
            found.append(source)
    return found


def _checked(source: Source, dialect: Dialect) -> Source:
    width = len(dialect.encoding)
    if source.x.shape[1] != width:
        raise ValueError(
            f"source {source.name!r} has {source.x.shape[1]} columns; the study has {width}: "
            f"{', '.join(dialect.encoding.names)}"
        )
    return source


def _source(
    name: str,
    item: Study | Sequence[FrozenTrial],
    dialect: Dialect,
    directions: Sequence[StudyDirection],
    objective: int,
) -> Source | None:
    if isinstance(item, Study):
        name, directions = item.study_name, item.directions
        trials: Sequence[FrozenTrial] = item.get_trials(deepcopy=False)
    else:
        trials = item
    if objective >= len(directions):
        return None
    sign = -1.0 if directions[objective] == StudyDirection.MAXIMIZE else 1.0
    rows = _rows(trials, dialect, objective, sign, has_rungs=len(directions) == 1)
    if not rows:
        return None
    return Source(
        name=name,
        x=np.array([x for x, _, _ in rows]),
        y=np.array([y for _, y, _ in rows]),
        rung=np.array([rung for _, _, rung in rows]),
        foretold=_foretold(trials) if len(directions) == 1 else None,
    )


def _foretold(trials: Sequence[FrozenTrial]) -> Floats | None:
    """Return how far the curves of the trials that ran to their end foretell it."""
    whole = [t for t in trials if t.state == TrialState.COMPLETE and _is_feasible(t)]
    if sum(t.state == TrialState.PRUNED for t in trials) > len(whole):
        # Those that were let through are alike: among them little foretells anything.
        return None
    return correlations([finite_reports(t) for t in whole], [t.values[0] for t in whole])


def _rows(
    trials: Sequence[FrozenTrial], dialect: Dialect, objective: int, sign: float, *, has_rungs: bool
) -> list[Row]:
    """Return a row of each trial that tells something, and where it stood when others stopped."""
    placed = [
        (trial, dialect.point(trial.params, trial.distributions)) for trial in map(_trial, trials)
    ]
    placed = [(trial, x) for trial, x in placed if not np.isnan(x).all()]
    rows: list[Row] = []
    steps: set[int] = set()
    for trial, x in placed:
        if trial.state != TrialState.PRUNED or not has_rungs or not _is_feasible(trial):
            continue
        reports = finite_reports(trial, sign)
        if reports:
            last = max(reports)
            steps.add(int(last))
            rows.append((x, reports[last], int(last)))
    for trial, x in placed:
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and not _is_feasible(trial):
            rows.append((x, math.nan, FINAL))
        elif trial.state == TrialState.COMPLETE and objective < len(trial.values):
            rows.append((x, sign * trial.values[objective], FINAL))
            rows += [
                (x, sign * value, step)
                for step, value in trial.intermediate_values.items()
                if step in steps
            ]
    return rows


def _is_feasible(trial: FrozenTrial) -> bool:
    return all(value <= 0 for value in trial.constraints.values())


def _trial(item: object) -> FrozenTrial:
    if not isinstance(item, FrozenTrial):
        raise TypeError(
            f"history holds a {type(item).__name__}; it takes Optuna studies, lists of their "
            "trials, or sources"
        )
    return item
