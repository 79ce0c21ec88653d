"""The studies of this database as history, read in place."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tuner.history.store.cleaning import clean_curves, clean_metrics, clean_params
from tuner.history.store.records import (
    Curve,
    HistoricStudy,
    HistoricTrial,
    State,
    StudySummary,
)
from tuner.storage import tables
from tuner.storage.curves import join_reports, stored_value
from tuner.trials.specs import SpecOutline

logger = logging.getLogger(__name__)

#: Errors raised by reading rows with unexpected content.
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)

_ENDED: dict[str, State] = {"complete": "complete", "pruned": "pruned", "fail": "fail"}


_t, _a = tables.trials, tables.attempts
#: The ended trials of a study, by number. Built once: a thousand studies are read in a row. Only
#: the necessary columns: the records of proposals are larger than everything else.
_TRIALS = (
    sa.select(
        *(_t.c.number, _t.c.state, _t.c.cause, _t.c.started, _t.c.finished),
        *(_t.c.params_json, _t.c.values_json, _t.c.metrics_json),
    )
    .where(_t.c.study_id == sa.bindparam("study_id"))
    .where(sa.or_(*(_t.c.state == state for state in _ENDED)))
    .order_by(_t.c.number)
)
_TRIALS_AND_ATTEMPTS = _TRIALS.add_columns(_a.c.no.label("outcome_no")).outerjoin(
    _a, _a.c.id == _t.c.outcome_attempt
)


def own_summaries(connection: sa.Connection) -> list[StudySummary]:
    """Return the studies that have ended trials."""
    s, t = tables.studies, tables.trials
    ended = (
        sa.select(
            t.c.study_id,
            sa.func.count().label("trials"),
            sa.func.max(t.c.finished).label("finished"),
        )
        .where(t.c.state.in_(list(_ENDED)))
        .group_by(t.c.study_id)
        .subquery()
    )
    query = sa.select(s, ended.c.trials, ended.c.finished.label("last")).join(
        ended, ended.c.study_id == s.c.id
    )
    found = []
    for row in connection.execute(query).all():
        try:
            found.append(_summary(row))
        except UNREADABLE:
            # A study with damaged rows does not keep the others from those that learn.
            logger.warning("study not readable", extra={"study": f"{row.project}/{row.name}"})
    return found


def load_own(
    connection: sa.Connection, project: str, name: str, *, curves: bool
) -> HistoricStudy | None:
    """Return a study with its ended trials, in the order of their numbers, or None.

    Raises:
        SpecError: a newer release stored a search space that this one cannot read.
    """
    s = tables.studies
    query = sa.select(s).where(s.c.project == project, s.c.name == name)
    row = connection.execute(query).first()
    if row is None:
        return None
    spec = SpecOutline.of(row.spec_json)
    space = spec.space
    trials = tuple(_trials(connection, row.id, list(spec.metrics), curves=curves))
    finished = max((trial.finished for trial in trials if trial.finished), default=None)
    return HistoricStudy(
        key=f"{project}/{name}",
        kind="study",
        locator=f"{project}/{name}",
        metrics=spec.metrics,
        space=space,
        constants=space.fixed_values,
        data=row.data,
        code=row.code,
        image=row.image,
        trials=trials,
        finished=finished,
        version=_version(row, len(trials), finished),
    )


def _summary(row: sa.Row[Any]) -> StudySummary:
    spec = SpecOutline.of(row.spec_json)
    key = f"{row.project}/{row.name}"
    return StudySummary(
        key=key,
        kind="study",
        locator=key,
        is_own=True,
        metrics=spec.metrics,
        parameters=frozenset(spec.definitions),
        data=row.data,
        code=row.code,
        image=row.image,
        trials=row.trials,
        finished=row.last,
        version=_version(row, row.trials, row.last),
    )


def _version(row: sa.Row[Any], trials: int, finished: float | None) -> str:
    return f"study {row.id} {row.identity[:16]} {trials} {finished or 0:.6f}"


def _trials(
    connection: sa.Connection, study_id: int, metrics: list[str], *, curves: bool
) -> Iterator[HistoricTrial]:
    query = _TRIALS_AND_ATTEMPTS if curves else _TRIALS
    rows = connection.execute(query, {"study_id": study_id}).all()
    columns = zip(*(_parse_all([row[i] for row in rows]) for i in (5, 6, 7)), strict=True)
    reports = _Reports(connection, study_id) if curves else None
    for row, (params, values, beside) in zip(rows, columns, strict=True):
        number, state, cause, started, finished = row[:5]
        told = dict(zip(metrics, values or (), strict=False))
        if beside:
            told |= {name: value for name, value in beside.items() if name not in told}
        yield HistoricTrial(
            key=str(number),
            params=clean_params(params),
            metrics=clean_metrics(told),
            curves={} if reports is None else reports.curves_of(row, metrics[0]),
            state=_ENDED[state],
            cause=cause,
            started=started,
            finished=finished,
        )


def _parse_all(texts: Sequence[str | None]) -> list[Any]:
    """Return the values of JSON texts; None for a missing text.

    In one call: a separate call for each text takes several times as long.

    Raises:
        ValueError: one of them is not JSON.
    """
    values: list[Any] = json.loads(f"[{','.join(text or 'null' for text in texts)}]")
    if len(values) != len(texts):
        raise ValueError("a trial's column holds more than one value")
    return values


class _Reports:
    """The reports of a study, trial by trial in the order of their numbers. Read once."""

    def __init__(self, connection: sa.Connection, study_id: int) -> None:
        r = tables.reports
        query = sa.select(r).where(r.c.study_id == study_id).order_by(r.c.number)
        found = connection.execute(query.execution_options(yield_per=5000))
        self._groups = itertools.groupby(found, key=lambda row: int(row.number))
        self._next: tuple[int, Iterable[sa.Row[Any]]] | None = next(self._groups, None)

    def curves_of(self, trial: sa.Row[Any], metric: str) -> dict[str, Curve]:
        """Return the curves of a trial; to be called in the order of trial numbers."""
        while self._next is not None and self._next[0] < trial.number:
            self._next = next(self._groups, None)
        if self._next is None or self._next[0] != trial.number:
            return {}
        rows = [
            row for row in self._next[1] if trial.outcome_no is None or row.no <= trial.outcome_no
        ]
        return _curves(rows, metric)


def _curves(rows: list[sa.Row[Any]], metric: str) -> dict[str, Curve]:
    points: dict[str, list[tuple[int, float]]] = {}
    for step, row in join_reports(rows).items():
        beside = json.loads(row.metrics_json) if row.metrics_json else {}
        for name, value in {**beside, metric: stored_value(row)}.items():
            points.setdefault(name, []).append((step, value))
    # The optimized metric first.
    ordered = {name: points[name] for name in (metric, *points) if name in points}
    return clean_curves(ordered)
