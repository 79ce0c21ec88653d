"""Putting imports into the database: beside everything first, then in place at one stroke.

An import is built up under a name of its own, batch by batch, so that no transaction is long and
nobody sees half of it. A process that dies leaves one that is swept away later.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tuner.documents.document import JsonObject
from tuner.documents.history import (
    HistoryImport,
    HistoryRemoved,
    ImportBegun,
    ImportDone,
    RunsTaken,
)
from tuner.errors import NotFoundError, SpecError
from tuner.history.store.cleaning import clean_text, clean_time, storable
from tuner.history.store.database import THERE
from tuner.history.store.imported import Facts, ImportedRun
from tuner.registry import KINDS, is_kind
from tuner.space import SearchSpace
from tuner.storage import Storage, tables
from tuner.storage.conflict import again_after_conflict

_h, _t, _r = tables.history, tables.history_trials, tables.history_rejected

LOADING = "loading"
#: An import to which nothing was added for so long, seconds, belongs to nobody any more.
_ABANDONED_S = 3600.0
#: Names in one question to the database.
_AT_ONCE = 500
#: Lines about what was rejected that are kept of one import.
MAX_REJECTED = 1000


class HistoryWriter:
    """Imports runs and removes what was imported; an `Ingest` on the database itself."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def history_imports(self) -> list[HistoryImport]:
        """See `Ingest`."""
        with self._storage.read() as connection:
            rows = connection.execute(sa.select(_h).where(_h.c.state == THERE)).all()
        return [_import_document(row, json.loads(row.facts_json)) for row in rows]

    def history_runs(self, key: str) -> dict[str, str]:
        """See `Ingest`."""
        query = (
            sa.select(_t.c.key, _t.c.stamp)
            .join(_h, _h.c.id == _t.c.history_id)
            .where(_h.c.key == key, _h.c.state == THERE)
        )
        with self._storage.read() as connection:
            return {row.key: row.stamp for row in connection.execute(query)}

    @again_after_conflict
    def history_begin(self, key: str, kind: str, locator: str) -> ImportBegun:
        """See `Ingest`.

        Raises:
            SpecError: the kind is unknown.
        """
        if kind != "none" and not is_kind(kind):
            raise SpecError(
                f"kind: {clean_text(kind, 64)!r}: must be one of {', '.join((*KINDS, 'none'))}, or "
                "the name of a package's importer"
            )
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            _sweep(connection, now)
            values = {
                "key": f".{secrets.token_hex(16)}.{key}"[:160],
                "state": LOADING,
                "kind": kind,
                "locator": storable(locator),
                "stamp": "",
                "facts_json": json.dumps({"key": key, "holds": []}),
                "imported": now,
            }
            number = connection.execute(_h.insert().values(values).returning(_h.c.id)).scalar_one()
        return {"number": int(number)}

    @again_after_conflict
    def history_put(self, number: int, runs: Sequence[JsonObject]) -> RunsTaken:
        """See `Ingest`.

        Raises:
            NotFoundError: the import was finished, or swept away.
        """
        found = {run.trial.key: run for run in map(ImportedRun.from_document, runs)}
        with self._storage.begin() as connection:
            begun = json.loads(_loading(connection, number).facts_json)
            now = self._storage.now(connection)
            own = _own(connection, list(found.values()))
            begun["holds"] = sorted({*begun["holds"], *own.values()})
            values = {"imported": now, "facts_json": json.dumps(begun)}
            connection.execute(_h.update().where(_h.c.id == number).values(values))
            kept = [run for key, run in found.items() if key not in own]
            _delete_runs(connection, number, [run.trial.key for run in kept])
            if kept:
                rows = [_row(number, run, now) for run in kept]
                connection.execute(_t.insert(), rows)
        return {"kept": len(kept), "own": len(own)}

    @again_after_conflict
    def history_finish(self, number: int, document: JsonObject) -> ImportDone:
        """See `Ingest`.

        Raises:
            NotFoundError: the import was finished, or swept away.
            SpecError: the search space is not valid.
        """
        facts = Facts(**document["facts"])
        if facts.space is not None:
            SearchSpace.from_json(facts.space)
        with self._storage.begin() as connection:
            begun = json.loads(_loading(connection, number).facts_json)
            key, facts = begun["key"], replace(facts, holds=tuple(begun["holds"]))
            live = connection.execute(_by_key(key).with_for_update()).first()
            changed = 0
            if live is not None:
                facts = facts if document["replace"] else _merged(live, facts)
                changed = _count_changed(connection, live.id, number)
                changed += _delete_runs(connection, live.id, document.get("gone") or [])
                _move_runs(connection, live.id, number, replace=document["replace"])
                _delete_import(connection, number)
                number = live.id
            digest, trials, finished = _measure(connection, number)
            same_as = _same(connection, number, digest) if trials else None
            if same_as is not None:
                # What stays says that the runs are found under this locator as well.
                connection.execute(_t.delete().where(_t.c.history_id == number))
                digest, trials, facts = "", 0, replace(facts, holds=(*facts.holds, same_as))
            rejected = document["rejected"][:MAX_REJECTED]
            values = {
                "key": key,
                "state": THERE,
                "stamp": document["stamp"],
                "digest": digest,
                "facts_json": json.dumps(facts.to_json(), allow_nan=False),
                "trials": trials,
                "own": document["own"],
                "rejected": sum(item["count"] for item in rejected),
                "finished": finished,
                "imported": self._storage.now(connection),
            }
            connection.execute(_h.update().where(_h.c.id == number).values(values))
            _set_rejected(connection, number, rejected)
        return {"key": key, "trials": trials, "same_as": same_as, "changed": changed}

    @again_after_conflict
    def remove_history(self, key: str) -> HistoryRemoved:
        """Forget an imported study; what it was imported from stays.

        Raises:
            SpecError: it is a study of this database.
            NotFoundError: there is no such import.
        """
        if "/" in key:
            raise SpecError(f"{key[:160]}: is a study of Tuner's own; remove it with: tuner delete")
        with self._storage.begin() as connection:
            row = connection.execute(_by_key(key).with_for_update()).first()
            if row is None or row.kind == "none":
                raise NotFoundError(
                    f"nothing was imported as {key[:160]!r}; `tuner history list` shows the keys"
                )
            _delete_import(connection, row.id)
            look_again(connection)
        return {"removed": key, "trials": int(row.trials)}


def look_again(connection: sa.Connection) -> None:
    """Clear the stamps of imports skipped as duplicates, so that the next import reads them again.

    To be called when a study leaves the history: it may be the one that it was known from.
    """
    partly = (_h.c.kind == "none") | (_h.c.trials == 0) | (_h.c.own > 0)
    connection.execute(_h.update().where(partly, _h.c.state == THERE).values(stamp=""))


_TOLD = ("params_json", "metrics_json", "curves_json")


def _import_document(row: sa.Row[Any], facts: JsonObject) -> HistoryImport:
    return {
        "key": row.key,
        "kind": row.kind,
        "locator": row.locator,
        "stamp": row.stamp,
        "rejected": row.rejected,
        "options": facts["options"],
        "totals": facts["totals"],
    }


def _by_key(key: str) -> sa.Select[Any]:
    return sa.select(_h).where(_h.c.key == key, _h.c.state == THERE)


def _loading(connection: sa.Connection, number: int) -> sa.Row[Any]:
    query = sa.select(_h).where(_h.c.id == number, _h.c.state == LOADING).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise NotFoundError(f"there is no unfinished import {number}; begin again")
    return row


def _sweep(connection: sa.Connection, now: float) -> None:
    old = sa.select(_h.c.id).where(_h.c.state == LOADING, _h.c.imported < now - _ABANDONED_S)
    for number in connection.execute(old).scalars().all():
        _delete_import(connection, number)


def _delete_import(connection: sa.Connection, number: int) -> None:
    for table in (_t, _r):
        connection.execute(table.delete().where(table.c.history_id == number))
    connection.execute(_h.delete().where(_h.c.id == number))


def _delete_runs(connection: sa.Connection, number: int, keys: list[str]) -> int:
    deleted = 0
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        query = _t.delete().where(_t.c.history_id == number, _t.c.key.in_(some))
        deleted += connection.execute(query).rowcount
    return deleted


def _count_changed(connection: sa.Connection, live: int, number: int) -> int:
    """Return how many runs of before come again with other parameters, values or outcomes."""
    new = _t.alias()
    differs = sa.or_(*(_t.c[name] != new.c[name] for name in ("state", *_TOLD)))
    pairs = sa.join(_t, new, (_t.c.key == new.c.key) & (new.c.history_id == number))
    query = sa.select(sa.func.count()).select_from(pairs).where(_t.c.history_id == live, differs)
    return int(connection.execute(query).scalar_one())


def _move_runs(connection: sa.Connection, live: int, number: int, *, replace: bool) -> None:
    """Put the runs of an import in the place of those of before."""
    gone = _t.c.history_id == live
    if not replace:
        gone &= _t.c.key.in_(sa.select(_t.c.key).where(_t.c.history_id == number))
    connection.execute(_t.delete().where(gone))
    connection.execute(_t.update().where(_t.c.history_id == number).values(history_id=live))


def _merged(live: sa.Row[Any], new: Facts) -> Facts:
    """Return what is known after some runs of a study were read again and others were not."""
    old = Facts(**json.loads(live.facts_json))
    both = {**old.to_json(), **{k: v for k, v in new.to_json().items() if v is not None}}
    names = dict.fromkeys([*old.parameters, *new.parameters])
    metrics = {**old.metrics, **{k: v or old.metrics.get(k) for k, v in new.metrics.items()}}
    return Facts(**{**both, "parameters": list(names), "metrics": metrics})


def _own(connection: sa.Connection, runs: list[ImportedRun]) -> dict[str, str]:
    """Return the keys of the runs that are trials of this database, with the study of each."""
    by_folder = {run.run_dir: run for run in runs if run.run_dir is not None}
    by_study: dict[tuple[str, str], list[str]] = {}
    for folder in by_folder:
        project, _, rest = folder.partition("/")
        by_study.setdefault((project, rest.partition("/")[0]), []).append(folder)
    own: dict[str, str] = {}
    for (project, name), folders in by_study.items():
        for start in range(0, len(folders), _AT_ONCE):
            query = _trials_at(project, name, folders[start : start + _AT_ONCE])
            for run_dir, seed in connection.execute(query):
                if by_folder[run_dir].seed == seed:
                    own[by_folder[run_dir].trial.key] = f"{project}/{name}"
    return own


def _trials_at(project: str, name: str, folders: list[str]) -> sa.Select[Any]:
    """Ask for folder and seed of the trials of a study that ran in one of these folders."""
    s, t, a = tables.studies, tables.trials, tables.attempts
    return (
        sa.select(a.c.run_dir, t.c.seed)
        .join(s, s.c.id == a.c.study_id)
        .join(t, (t.c.study_id == a.c.study_id) & (t.c.number == a.c.number))
        .where(s.c.project == project, s.c.name == name, a.c.run_dir.in_(folders))
    )


def _row(number: int, run: ImportedRun, now: float) -> dict[str, Any]:
    trial = run.trial
    return {
        "history_id": number,
        "key": trial.key,
        "stamp": run.stamp,
        "state": "open" if run.is_open else trial.state,
        "cause": trial.cause,
        "params_json": json.dumps(dict(trial.params), allow_nan=False),
        "metrics_json": json.dumps(dict(trial.metrics), allow_nan=False),
        "curves_json": json.dumps(dict(trial.curves), allow_nan=False),
        "started": clean_time(trial.started, now),
        "finished": clean_time(trial.finished, now),
    }


def _measure(connection: sa.Connection, number: int) -> tuple[str, int, float | None]:
    """Return the digest of an import's runs, how many there are, and when the last one ended."""
    columns = (_t.c.state, _t.c.params_json, _t.c.metrics_json, _t.c.started, _t.c.finished)
    query = sa.select(*columns).where(_t.c.history_id == number).order_by(_t.c.key)
    digest, trials, finished = hashlib.sha256(), 0, 0.0
    for row in connection.execute(query.execution_options(yield_per=2000)):
        digest.update(repr(tuple(row)).encode())
        trials += 1
        finished = max(finished, row.finished or 0.0)
    return digest.hexdigest(), trials, finished or None


def _same(connection: sa.Connection, number: int, digest: str) -> str | None:
    query = sa.select(_h.c.key).where(
        _h.c.digest == digest, _h.c.id != number, _h.c.state == THERE, _h.c.trials > 0
    )
    return connection.execute(query.limit(1)).scalar()


def _set_rejected(connection: sa.Connection, number: int, rejected: list[JsonObject]) -> None:
    connection.execute(_r.delete().where(_r.c.history_id == number))
    rows = [
        {
            "history_id": number,
            "number": index,
            "path": clean_text(item["path"]),
            "reason": clean_text(item["reason"]),
            "count": item["count"],
        }
        for index, item in enumerate(rejected)
    ]
    if rows:
        connection.execute(_r.insert(), rows)
