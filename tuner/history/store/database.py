"""The history of a database: its own studies and imported ones."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tuner.errors import NotFoundError, SpecError, StudyError
from tuner.history.store.own import UNREADABLE, load_own, own_summaries
from tuner.history.store.records import (
    Curve,
    HistoricStudy,
    HistoricTrial,
    Rejection,
    State,
    StudySummary,
)
from tuner.space import SearchSpace
from tuner.storage import Storage, tables

logger = logging.getLogger(__name__)

_h, _t, _r = tables.history, tables.history_trials, tables.history_rejected

#: State of an import that is in place.
THERE = "there"


class HistoryStore:
    """Reads history; the service's own studies are read in place, never copied."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def studies(self) -> list[StudySummary]:
        """Return every study with at least one ended trial, newest first."""
        with self._storage.read() as connection:
            imports = connection.execute(
                sa.select(_h).where(_h.c.state == THERE, _h.c.kind != "none")
            ).all()
            found = [*own_summaries(connection), *_summaries(imports)]
        places = _places(imports)
        found = [replace(study, also_at=places.get(study.key, ())) for study in found]
        return sorted(found, key=lambda study: (-(study.finished or 0.0), study.key))

    def load(self, key: str, *, curves: bool = True) -> HistoricStudy:
        """Return a study with its ended trials, and imported ones that have not ended.

        Args:
            key: the key in a `StudySummary`.
            curves: False leaves them empty, which is faster.

        Raises:
            NotFoundError: there is no such study, or it was removed.
            StudyError: its rows are damaged.
        """
        try:
            return self._load(key, curves=curves)
        except UNREADABLE as exc:
            raise StudyError(f"its rows are damaged ({type(exc).__name__}: {exc})"[:300]) from exc

    def _load(self, key: str, *, curves: bool) -> HistoricStudy:
        project, slash, name = key.partition("/")
        with self._storage.read() as connection:
            if slash:
                study = load_own(connection, project, name, curves=curves)
            else:
                study = _load_import(connection, key, curves=curves)
        if study is None:
            raise NotFoundError(f"there is no study {key[:160]!r} in the history")
        return study

    def rejected(self) -> list[tuple[str, Rejection]]:
        """Return what could not be used, each with the locator under which it was found."""
        query = (
            sa.select(_h.c.locator, _r.c.path, _r.c.reason, _r.c.count)
            .join(_h, _h.c.id == _r.c.history_id)
            .where(_h.c.state == THERE)
            .order_by(_h.c.locator, _r.c.history_id, _r.c.number)
        )
        with self._storage.read() as connection:
            return [
                (row.locator, Rejection(path=row.path, reason=row.reason, count=row[3]))
                for row in connection.execute(query)
            ]


def _places(imports: Iterable[sa.Row[Any]]) -> dict[str, tuple[str, ...]]:
    """Return by study key where further copies of its runs are that were not stored again."""
    places: dict[str, set[str]] = {}
    for row in imports:
        # Imports of earlier releases do not record it.
        for key in _holds(row):
            places.setdefault(key, set()).add(row.locator)
    return {key: tuple(sorted(locators)) for key, locators in places.items()}


def _holds(row: sa.Row[Any]) -> Iterable[str]:
    try:
        found: Iterable[str] = json.loads(row.facts_json).get("holds", ())
        return [str(key) for key in found]
    except UNREADABLE:
        return ()


def _summaries(imports: Iterable[sa.Row[Any]]) -> Iterator[StudySummary]:
    """Yield the readable imported studies: an unreadable one does not affect the others."""
    for row in imports:
        try:
            if row.trials:
                yield _summary(row)
        except UNREADABLE:
            logger.warning("imported study not readable", extra={"locator": str(row.locator)[:200]})


def _summary(row: sa.Row[Any]) -> StudySummary:
    facts = json.loads(row.facts_json)
    return StudySummary(
        key=row.key,
        kind=row.kind,
        locator=row.locator,
        is_own=False,
        metrics=facts["metrics"],
        parameters=frozenset(facts["parameters"]),
        data=facts["data"],
        code=facts["code"],
        image=facts["image"],
        trials=row.trials,
        finished=row.finished,
        version=_version(row),
        notes=tuple(facts["notes"]),
    )


def _version(row: sa.Row[Any]) -> str:
    return f"import {row.id} {row.digest}"


def _load_import(connection: sa.Connection, key: str, *, curves: bool) -> HistoricStudy | None:
    row = connection.execute(sa.select(_h).where(_h.c.key == key, _h.c.state == THERE)).first()
    if row is None or row.kind == "none":
        return None
    facts = json.loads(row.facts_json)
    return HistoricStudy(
        key=row.key,
        kind=row.kind,
        locator=row.locator,
        metrics=facts["metrics"],
        space=_space(facts["space"]),
        constants=facts["constants"],
        data=facts["data"],
        code=facts["code"],
        image=facts["image"],
        trials=tuple(_trials(connection, row.id, curves=curves)),
        finished=row.finished,
        version=_version(row),
    )


def _space(data: dict[str, Any] | None) -> SearchSpace | None:
    if data is None:
        return None
    try:
        return SearchSpace.from_json(data)
    except (SpecError, ValueError, TypeError, AttributeError):
        # From a release with other rules; the values of the trials are still valid.
        return None


def _trials(connection: sa.Connection, history_id: int, *, curves: bool) -> Iterator[HistoricTrial]:
    columns = [_t.c.key, _t.c.state, _t.c.cause, _t.c.params_json, _t.c.metrics_json]
    columns += [_t.c.started, _t.c.finished, *([_t.c.curves_json] if curves else [])]
    query = sa.select(*columns).where(_t.c.history_id == history_id).order_by(_t.c.key)
    ended = sa.select(_t.c.key).where(_t.c.history_id == history_id, _t.c.state != "open")
    # Some tools never record that a run ended: there an open run is as good as any.
    open_state: State = "running" if connection.execute(ended.limit(1)).first() else "complete"
    for row in connection.execute(query.execution_options(yield_per=2000)):
        yield HistoricTrial(
            key=row.key,
            params=json.loads(row.params_json),
            metrics=json.loads(row.metrics_json),
            curves=_curves(row.curves_json) if curves else {},
            state=open_state if row.state == "open" else row.state,
            cause=row.cause,
            started=row.started,
            finished=row.finished,
        )


def _curves(text: str) -> dict[str, Curve]:
    return {
        name: tuple((step, value) for step, value in points)
        for name, points in json.loads(text).items()
    }
