"""Writes imports into the database: first separately, then put in place atomically.

An import is built up under a separate name, batch by batch, so that transactions are short and
nobody sees a part of it. If the process dies, its import is removed later.
"""

from __future__ import annotations

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
from tuner.history.store.cleaning import clean_text, storable
from tuner.history.store.database import THERE
from tuner.history.store.imported import Facts, ImportedRun
from tuner.history.store.runs import (
    count_changed,
    delete_runs,
    measure_runs,
    move_runs,
    own_runs,
    put_runs,
)
from tuner.registry import KINDS, is_kind
from tuner.space import SearchSpace
from tuner.storage import Storage, tables
from tuner.storage.engines.conflict import again_after_conflict

_h, _t, _r = tables.history, tables.history_trials, tables.history_rejected

LOADING = "loading"
#: Seconds without additions after which an unfinished import is considered abandoned.
_ABANDONED_S = 3600.0
#: Maximum number of rejections stored for one import.
MAX_REJECTED = 1000


class HistoryWriter:
    """Imports runs and removes imports; an `Ingest` on the database itself."""

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
            NotFoundError: the import was finished, or removed as abandoned.
        """
        found = {run.trial.key: run for run in map(ImportedRun.from_document, runs)}
        with self._storage.begin() as connection:
            begun = json.loads(_loading(connection, number).facts_json)
            now = self._storage.now(connection)
            own = own_runs(connection, list(found.values()))
            begun["holds"] = sorted({*begun["holds"], *own.values()})
            values = {"imported": now, "facts_json": json.dumps(begun)}
            connection.execute(_h.update().where(_h.c.id == number).values(values))
            kept = [run for key, run in found.items() if key not in own]
            put_runs(connection, number, kept, now)
        return {"kept": len(kept), "own": len(own)}

    @again_after_conflict
    def history_finish(self, number: int, document: JsonObject) -> ImportDone:
        """See `Ingest`.

        Raises:
            NotFoundError: the import was finished, or removed as abandoned.
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
                changed = count_changed(connection, live.id, number)
                changed += delete_runs(connection, live.id, document.get("gone") or [])
                move_runs(connection, live.id, number, replace=document["replace"])
                _delete_import(connection, number)
                number = live.id
            digest, trials, finished = measure_runs(connection, number)
            same_as = _same(connection, number, digest) if trials else None
            if same_as is not None:
                # What remains records that the runs are found under this locator as well.
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
        """Remove an imported study from history; its source is unchanged.

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

    To be called when a study leaves history: it may be the one that the runs were known from.
    """
    partly = (_h.c.kind == "none") | (_h.c.trials == 0) | (_h.c.own > 0)
    connection.execute(_h.update().where(partly, _h.c.state == THERE).values(stamp=""))


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


def _merged(live: sa.Row[Any], new: Facts) -> Facts:
    """Return the facts after only some runs of a study were read again."""
    old = Facts(**json.loads(live.facts_json))
    both = {**old.to_json(), **{k: v for k, v in new.to_json().items() if v is not None}}
    names = dict.fromkeys([*old.parameters, *new.parameters])
    metrics = {**old.metrics, **{k: v or old.metrics.get(k) for k, v in new.metrics.items()}}
    return Facts(**{**both, "parameters": list(names), "metrics": metrics})


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
