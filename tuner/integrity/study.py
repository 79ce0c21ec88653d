"""Whether the rows of one study are whole and agree with each other and with Optuna's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tuner.errors import TunerError, UnavailableError
from tuner.integrity.artifacts import check_artifacts
from tuner.integrity.attempts import check_attempts
from tuner.integrity.columns import check_rows
from tuner.integrity.finding import Finding
from tuner.integrity.optuna_study import check_optuna
from tuner.integrity.trials import check_trials
from tuner.integrity.values import wrong_values
from tuner.samplers import import_sampler
from tuner.spec import StudySpec, identity, parse_stored
from tuner.storage import tables
from tuner.storage.outage import is_outage
from tuner.trials.kinds import device_of
from tuner.trials.study_states import OPEN

_s, _t, _c = tables.studies, tables.trials, tables.snapshots


#: What checks meet in values that nobody thought of.
_UNFORESEEN = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    TunerError,
    sa.exc.StatementError,
    sa.exc.InvalidRequestError,
)


def check_study(connection: sa.Connection, study: sa.Row[Any], now: float) -> Iterator[Finding]:
    """Yield what is wrong with a study, also where its rows cannot even be looked at.

    Args:
        connection: reads one consistent view.
        study: its row, as `raw_select` gives it.
        now: the database's time.
    """
    found: list[Finding] = []
    try:
        # One at a time, so that what was found before something cannot be looked at is kept.
        found.extend(_check(connection, study, now))
    except _UNFORESEEN as exc:
        if isinstance(exc, UnavailableError) or (
            isinstance(exc, sa.exc.DBAPIError) and is_outage(exc)
        ):
            raise
        name = f"{study.project}/{study.name}"
        text = f"its rows cannot be looked at: {type(exc).__name__}: {exc}"[:300]
        does = f"put a backup back (tuner db restore), or delete the study: tuner delete {name}"
        found.append(Finding(kind="value", study=name, text=text, does=does))
    yield from found


def _check(connection: sa.Connection, study: sa.Row[Any], now: float) -> Iterator[Finding]:
    """Yield what is wrong, what the rest depends on first.

    What cannot be looked at before something else is mended is not looked at.
    """
    name = f"{study.project}/{study.name}"
    spec, problem = read_spec(study)
    instead = _instead(connection, study, spec, now)
    yield from check_rows(
        connection,
        _s,
        _s.c.id == study.id,
        kind="value",
        study=name,
        instead=instead,
        skip=("spec_json",),
    )
    if problem:
        todo = (
            f"install the release that wrote it, put a backup back (tuner db restore), "
            f"or delete the study: tuner delete {name}"
        )
        text = f"its spec cannot be read by this release: {problem}"
        yield Finding(kind="spec", study=name, text=text, does=todo)
    if any(True for _ in wrong_values(_s, study._asdict())):
        return
    yield from _check_code(connection, study, name)
    wrong_trials = list(check_trials(connection, study, name, spec, now))
    yield from wrong_trials
    yield from check_attempts(connection, study, name, now)
    yield from check_artifacts(connection, study, name)
    if spec is not None and not wrong_trials:
        yield from check_optuna(connection, study, name, spec)


def read_spec(study: sa.Row[Any]) -> tuple[StudySpec | None, str]:
    """Return a study's spec, or why this release cannot read it."""
    try:
        spec = parse_stored(json.loads(study.spec_json))
        import_sampler(spec.sampler.name)
    except TunerError as exc:
        return None, " / ".join(str(exc).splitlines()[:3]).replace("request: ", "")
    except (TypeError, ValueError, RecursionError, KeyError, AttributeError) as exc:
        return None, f"it is not the JSON of a spec ({exc})"
    name = f"{study.project}/{study.name}"
    return (spec, "") if spec.name == name else (None, f"it is the spec of {spec.name}")


def _instead(
    connection: sa.Connection, study: sa.Row[Any], spec: StudySpec | None, now: float
) -> dict[str, Any]:
    """Return what the columns of a study hold after the repair, where more than a default is known.

    A study that was repaired is paused: its user looks at it, and resumes it.
    """
    highest: Sequence[Any] = connection.execute(
        sa.select(sa.func.max(_t.c.number), sa.func.max(_t.c.told)).where(_t.c.study_id == study.id)
    ).one()
    last, told = (value if isinstance(value, int) else None for value in highest)
    values: dict[str, Any] = {
        "state": "paused",
        "next_number": 0 if last is None else last + 1,
        "told": told or 0,
        "created": now,
        # The next check finds that it is nobody's, and finds or makes the right one.
        "optuna_id": 0,
    }
    if spec is not None:
        values |= {
            "priority": spec.priority,
            "parallel": spec.parallel,
            "device": device_of(spec),
            "gpus": spec.trial.gpus,
            "image": spec.image,
        }
        if spec.sampler.seed is not None:
            values["seed"] = spec.sampler.seed
        if isinstance(study.code, str | None) and isinstance(study.data, str | None):
            values["identity"] = identity(spec, study.code, study.data)
    return values


def _check_code(connection: sa.Connection, study: sa.Row[Any], name: str) -> Iterator[Finding]:
    if study.state not in OPEN:
        return
    wanted = sa.select(_t.c.code).where(
        _t.c.study_id == study.id, _t.c.state.in_(("waiting", "running"))
    )
    codes = {study.code, *connection.execute(wanted.distinct()).scalars()} - {None}
    there = connection.execute(sa.select(_c.c.hash).where(_c.c.hash.in_(codes))).scalars()
    for code in sorted(map(str, codes - set(there))):
        yield Finding(
            kind="code",
            study=name,
            text=f"its code {code[:12]} is not in the database any more",
            does="submit the study again from its folder: tuner submit SPEC",
        )
