"""The differences between a few trials: parameters, configuration, environment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.board.best_trials.answers.files import CONFIG, RECORD, read_file
from tuner.board.best_trials.answers.requests import ProblemError
from tuner.board.best_trials.table.model import Row, Table
from tuner.roots import Place

LEAST, MOST = 2, 5
#: Limits for a trial's files: number of fields, depth, and length of a text.
_MOST_FIELDS, _MOST_DEPTH, _MOST_TEXT = 5_000, 12, 2_000
#: Fields that identify the trial itself: they always differ, which means nothing.
_OWN = frozenset(
    {"trial", "attempt", "attempt_id", "run_dir", "params", "seed", "version", "proposal", "worker",
     "distributions"}
)  # fmt: skip
#: Fields of a configuration that describe what the trial ran in.
_ENVIRONMENT = frozenset(
    {"host", "isolation", "platform", "command", "versions", "package_lock", "gpu", "environment",
     "image", "lock", "files", "image_verified"}
)  # fmt: skip
_MISSING = object()


def chosen_rows(table: Table, names: Sequence[str], *, least: int, most: int) -> list[Row]:
    """Return the rows of some trials, in the order in which they are named.

    Args:
        names: numbers; for foreign logs, runs.
        least, most: bounds on their number.

    Raises:
        ProblemError: there are too few or too many, or one of them does not exist.
    """
    if not least <= len(names) <= most:
        raise ProblemError(
            f"trials: {len(names)} are named", parameter="trials", value=",".join(names),
            allowed=f"{least} to {most} trials, joined by commas",
        )  # fmt: skip
    by_name = {row.run if row.trial is None else str(row.trial): row for row in table.rows}
    for name in names:
        if name not in by_name:
            raise ProblemError(
                f"trials: there is no trial {name[:60]!r}",
                parameter="trials",
                value=name,
                status=404,
            )
    return [by_name[name] for name in names]


def compare_document(table: Table, names: Sequence[str], base: Place) -> dict[str, Any]:
    """Return the answer `compare`: differences first, then what is equal.

    Args:
        names: 2 to 5 trials, see `chosen_rows`.
        base: the folder of the runs, in the real log root.

    Raises:
        ProblemError: see `chosen_rows`.
    """
    rows = chosen_rows(table, names, least=LEAST, most=MOST)
    configs = [_flat(_read(base, row.run, CONFIG)) for row in rows]
    records = [_flat(_environment(_read(base, row.run, RECORD))) for row in rows]
    ran_in = [
        {path: value for path, value in {**record, **config}.items() if _is_environment(path)}
        for config, record in zip(configs, records, strict=True)
    ]
    plain = [
        {path: value for path, value in config.items() if not _is_environment(path)}
        for config in configs
    ]
    labels = {column.key: column for column in table.columns if column.group == "param"}
    order = [key.partition(".")[2] for key in labels]
    params = [dict(row.params) for row in rows]
    return {
        "trials": [row.run if row.trial is None else row.trial for row in rows],
        "params": _lines(params, "name", order),
        "config": _lines(plain, "path"),
        "environment": _lines(ran_in, "path"),
    }


def _read(base: Place, run: str, name: str) -> Any:
    try:
        return json.loads(read_file(base, run, name))
    except (ProblemError, ValueError, RecursionError):
        return None  # it has not been written yet, or is none of ours


def _environment(record: Any) -> Any:
    """Return the part of a trial's outcome that describes what it ran in."""
    if not isinstance(record, Mapping):
        return None
    return {key: value for key, value in record.items() if key in _ENVIRONMENT}


def _is_environment(path: str) -> bool:
    return path.partition(".")[0] in _ENVIRONMENT


def _flat(document: Any) -> dict[str, Any]:
    """Return the values of a document by path, except those that identify the trial itself."""
    found: dict[str, Any] = {}
    if isinstance(document, Mapping):
        for key, value in document.items():
            if key not in _OWN:
                for path, leaf in _leaves(str(key), value, 1):
                    if len(found) >= _MOST_FIELDS:
                        return found
                    found[path[:_MOST_TEXT]] = leaf
    return found


def _leaves(path: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value and depth < _MOST_DEPTH:
        for key, item in value.items():
            yield from _leaves(f"{path}.{key}", item, depth + 1)
    elif isinstance(value, Mapping | list):
        yield path, json.dumps(value, ensure_ascii=False)[:_MOST_TEXT]
    else:
        yield path, value[:_MOST_TEXT] if isinstance(value, str) else value


def _lines(
    documents: Sequence[Mapping[str, Any]], name: str, order: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return a line for each path of any document; those that differ come first."""
    paths = dict.fromkeys([*order, *(path for document in documents for path in document)])
    lines = []
    for path in paths:
        values = [document.get(path, _MISSING) for document in documents]
        if any(value is not _MISSING for value in values):
            lines.append((len({_token(value) for value in values}) > 1, path, values))
    lines.sort(key=lambda line: not line[0])
    return [
        {name: path, "differs": differs, "values": [_shown(value) for value in values]}
        for differs, path, values in lines
    ]


def _token(value: Any) -> str:
    """Return a text that distinguishes values: true from "true", but not 1 from 1.0."""
    if value is _MISSING:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (
            f"number {value!r}" if isinstance(value, int) or value % 1 else f"number {int(value)}"
        )
    return f"{type(value).__name__} {value!r}"


def _shown(value: Any) -> Any:
    if type(value) is int and abs(value) > 1 << 53:
        return {"int": str(value)}
    return None if value is _MISSING else value
