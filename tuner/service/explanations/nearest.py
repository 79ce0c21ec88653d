"""The historic trials nearest to a proposal, with their locations."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from tuner.documents.explanations.trial_explanation import NearTrial
from tuner.errors import SpecError, StudyError
from tuner.history.choosing.selection import select
from tuner.history.matching.metric import MetricMatch, match_metric
from tuner.history.matching.naming import Renames
from tuner.history.matching.parameters import tabulate
from tuner.history.store.database import HistoryStore
from tuner.history.store.records import HistoricStudy, HistoricTrial, StudySummary
from tuner.space.encoding import Encoding
from tuner.spec import StudySpec
from tuner.storage import Storage, tables
from tuner.surrogate.columns import Columns, Floats

#: Maximum number of trials to name.
COUNT = 3
#: A trial is near if it has the same choices and every number is within this share of its range.
NEAR = 0.2
#: Minimum share of the parameters that must be known of a trial; the others are not compared.
_KNOWN = 0.5


def nearest_trials(
    storage: Storage, spec: StudySpec, params: Mapping[str, Any], sources: Collection[str]
) -> list[NearTrial]:
    """Return the trials from some sources that are nearest to a configuration, nearest first.

    Args:
        sources: keys of the studies to search.

    Returns:
        The trials; those that are not near (see `NEAR`) and studies deleted meanwhile are left out.
    """
    store = HistoryStore(storage)
    encoding = Encoding(spec.space)
    here = encoding.encode(params)
    found: list[_Near] = []
    for summary in store.studies():
        if summary.key in sources:
            found += _in_study(store, summary, spec, encoding, here)
    found.sort(key=lambda near: near.distance)
    return [_document(storage, spec, near) for near in found[:COUNT]]


@dataclass(frozen=True)
class _Near:
    """A trial of a study, its distance, and the renames that the spec has for that study."""

    distance: float
    study: HistoricStudy
    trial: HistoricTrial
    renames: Renames


def _in_study(
    store: HistoryStore,
    summary: StudySummary,
    spec: StudySpec,
    encoding: Encoding,
    here: Floats,
) -> list[_Near]:
    try:
        study = store.load(summary.key, curves=False)
    except (SpecError, StudyError):
        return []
    item = select([summary], spec.history).choices[0].item
    renames = {} if item is None else item.rename
    table = tabulate(study, study.trials, encoding, renames)
    distances = _distances(encoding.columns, here, table.x)
    order = np.argsort(distances, kind="stable")[:COUNT]
    return [
        _Near(float(distances[index]), study, study.trials[int(index)], renames)
        for index in order
        if np.isfinite(distances[index])
    ]


def _distances(columns: Columns, here: Floats, there: Floats) -> Floats:
    """Return the root mean square distance of points (n, d) from one (d,), shape (n,).

    It is infinite for points that are not near.
    """
    apart = np.abs(there - here)
    apart = np.where(columns.is_choice, (apart > 0) * 1.0, apart)
    is_known = ~np.isnan(here) & ~np.isnan(there)
    counts = is_known.sum(axis=1)
    is_near = np.where(is_known, apart <= NEAR, True).all(axis=1)
    is_near &= counts >= max(_KNOWN * float((~np.isnan(here)).sum()), 1.0)
    squares = np.where(is_known, apart**2, 0.0).sum(axis=1) / np.maximum(counts, 1)
    return np.where(is_near, np.sqrt(squares), np.inf)


def _document(storage: Storage, spec: StudySpec, near: _Near) -> NearTrial:
    metric, study, trial = spec.metrics[0], near.study, near.trial
    match = match_metric(study.metrics, metric.name, metric.goal, near.renames, takes_unnamed=True)
    name = match.name if isinstance(match, MetricMatch) else None
    return {
        "study": study.key,
        "kind": study.kind,
        "locator": study.locator,
        "trial": trial.key,
        "run_dir": _run_dir(storage, study, trial),
        "params": json.loads(json.dumps(dict(trial.params))),
        "metric": name,
        "value": trial.metrics.get(name) if name is not None else None,
        "distance": round(near.distance, 4),
    }


def _run_dir(storage: Storage, study: HistoricStudy, trial: HistoricTrial) -> str | None:
    """Return the run directory of the attempt that became the outcome, relative to the log root."""
    project, slash, name = study.key.partition("/")
    if not slash:
        return None
    s, t, a = tables.studies, tables.trials, tables.attempts
    query = (
        sa.select(a.c.run_dir)
        .join(t, t.c.outcome_attempt == a.c.id)
        .join(s, s.c.id == t.c.study_id)
        .where(s.c.project == project, s.c.name == name, t.c.number == int(trial.key))
    )
    with storage.read() as connection:
        run_dir = connection.execute(query).scalar_one_or_none()
    return None if run_dir is None else str(run_dir)
