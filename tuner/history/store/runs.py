"""The runs of imports in the database, one row each: stored, counted, moved and removed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tuner.history.store.cleaning import clean_time
from tuner.history.store.imported import ImportedRun
from tuner.storage import tables

_t = tables.history_trials

#: Maximum number of names in one query.
_AT_ONCE = 500
#: What a run contains besides its state.
_TOLD = ("params_json", "metrics_json", "curves_json")


def put_runs(
    connection: sa.Connection, number: int, runs: Sequence[ImportedRun], now: float
) -> None:
    """Store runs of an import, replacing those with the same keys.

    Args:
        connection: in a transaction, as everywhere in this module.
        number: of the import (`tuner_history.id`), as everywhere in this module.
        runs: with distinct keys.
        now: the time by the database's clock.
    """
    delete_runs(connection, number, [run.trial.key for run in runs])
    if runs:
        connection.execute(_t.insert(), [_row(number, run, now) for run in runs])


def delete_runs(connection: sa.Connection, number: int, keys: list[str]) -> int:
    """Remove runs of an import by their keys; return the number removed."""
    deleted = 0
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        query = _t.delete().where(_t.c.history_id == number, _t.c.key.in_(some))
        deleted += connection.execute(query).rowcount
    return deleted


def count_changed(connection: sa.Connection, live: int, number: int) -> int:
    """Return how many runs of the import `live` have different content in the import `number`."""
    new = _t.alias()
    differs = sa.or_(*(_t.c[name] != new.c[name] for name in ("state", *_TOLD)))
    pairs = sa.join(_t, new, (_t.c.key == new.c.key) & (new.c.history_id == number))
    query = sa.select(sa.func.count()).select_from(pairs).where(_t.c.history_id == live, differs)
    return int(connection.execute(query).scalar_one())


def move_runs(connection: sa.Connection, live: int, number: int, *, replace: bool) -> None:
    """Move the runs of the import `number` to `live`.

    Args:
        connection: in a transaction.
        live: the import that is in use.
        number: the one that was loaded.
        replace: whether runs of `live` that are not among them are removed.
    """
    gone = _t.c.history_id == live
    if not replace:
        gone &= _t.c.key.in_(sa.select(_t.c.key).where(_t.c.history_id == number))
    connection.execute(_t.delete().where(gone))
    connection.execute(_t.update().where(_t.c.history_id == number).values(history_id=live))


def measure_runs(connection: sa.Connection, number: int) -> tuple[str, int, float | None]:
    """Return the digest of an import's runs, their number, and when the last one ended."""
    columns = (_t.c.state, _t.c.params_json, _t.c.metrics_json, _t.c.started, _t.c.finished)
    query = sa.select(*columns).where(_t.c.history_id == number).order_by(_t.c.key)
    digest, trials, finished = hashlib.sha256(), 0, 0.0
    for row in connection.execute(query.execution_options(yield_per=2000)):
        digest.update(repr(tuple(row)).encode())
        trials += 1
        finished = max(finished, row.finished or 0.0)
    return digest.hexdigest(), trials, finished or None


def own_runs(connection: sa.Connection, runs: list[ImportedRun]) -> dict[str, str]:
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
    """Return a query for folder and seed of a study's trials that ran in these folders."""
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
