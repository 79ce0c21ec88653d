"""Checks that one study's rows are complete and agree with each other and with Optuna's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tuner.errors import TunerError, UnavailableError
from tuner.integrity.artifacts import check_artifacts
from tuner.integrity.attempts import check_attempts
from tuner.integrity.columns import check_rows
from tuner.integrity.finding import Finding
from tuner.integrity.optuna_study import check_optuna
from tuner.integrity.raw import RawRow, raw_name, sound_study
from tuner.integrity.trials import check_trials
from tuner.integrity.values import wrong_values
from tuner.samplers import import_sampler
from tuner.spec import StudySpec, identity
from tuner.storage import tables
from tuner.storage.engines.outage import is_outage
from tuner.trials import specs
from tuner.trials.kinds import device_of
from tuner.trials.states import StudyState, TrialState
from tuner.trials.store.columns import words
from tuner.trials.study import Study

_s, _t, _c = tables.studies, tables.trials, tables.snapshots
_OPEN_WORDS = words((TrialState.WAITING, TrialState.RUNNING))


#: Exceptions that checks may meet in unforeseen values.
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


def check_study(connection: sa.Connection, study: RawRow, now: float) -> Iterator[Finding]:
    """Yield the faults of a study, even if its rows cannot be examined.

    Args:
        connection: provides one consistent view.
        now: the database's time.
    """
    found: list[Finding] = []
    try:
        # One at a time, so that earlier findings are kept if something cannot be examined.
        found.extend(_check(connection, study, now))
    except _UNFORESEEN as exc:
        if isinstance(exc, UnavailableError) or (
            isinstance(exc, sa.exc.DBAPIError) and is_outage(exc)
        ):
            raise
        name = raw_name(study)
        text = f"its rows cannot be looked at: {type(exc).__name__}: {exc}"[:300]
        does = f"put a backup back (tuner db restore), or delete the study: tuner delete {name}"
        found.append(Finding(kind="value", study=name, text=text, does=does))
    yield from found


def _check(connection: sa.Connection, row: RawRow, now: float) -> Iterator[Finding]:
    """Yield the faults, first those that the rest depends on.

    What cannot be examined before something else is repaired is skipped.
    """
    name = raw_name(row)
    spec, problem = read_spec(row)
    instead = _instead(connection, row, spec, now)
    yield from check_rows(
        connection,
        _s,
        _s.c.id == row["id"],
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
    if any(True for _ in wrong_values(_s, row)):
        return
    study = sound_study(row)
    yield from _check_code(connection, study)
    wrong_trials = list(check_trials(connection, study, spec, now))
    yield from wrong_trials
    yield from check_attempts(connection, study, now)
    yield from check_artifacts(connection, study)
    if spec is not None and not wrong_trials:
        yield from check_optuna(connection, study, spec)


def read_spec(study: RawRow) -> tuple[StudySpec | None, str]:
    """Return a study's spec, or the reason why this release cannot read it."""
    try:
        spec = specs.read_spec(study["spec_json"])
        import_sampler(spec.sampler.name)
    except TunerError as exc:
        return None, " / ".join(str(exc).splitlines()[:3]).replace("request: ", "")
    except (TypeError, ValueError, RecursionError, KeyError, AttributeError) as exc:
        return None, f"it is not the JSON of a spec ({exc})"
    name = raw_name(study)
    return (spec, "") if spec.name == name else (None, f"it is the spec of {spec.name}")


def _instead(
    connection: sa.Connection, study: RawRow, spec: StudySpec | None, now: float
) -> dict[str, Any]:
    """Return the study's values after the repair, for columns that have better ones than a default.

    A repaired study is paused until its user has looked at it and resumes it.
    """
    highest: Sequence[Any] = connection.execute(
        sa.select(sa.func.max(_t.c.number), sa.func.max(_t.c.told)).where(
            _t.c.study_id == study["id"]
        )
    ).one()
    last, told = (value if isinstance(value, int) else None for value in highest)
    values: dict[str, Any] = {
        "state": StudyState.PAUSED.value,
        "next_number": 0 if last is None else last + 1,
        "told": told or 0,
        "created": now,
        # The next check finds that this id belongs to nobody, and finds or creates the right one.
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
        code, data = study["code"], study["data"]
        if isinstance(code, str | None) and isinstance(data, str | None):
            values["identity"] = identity(spec, code, data)
    return values


def _check_code(connection: sa.Connection, study: Study) -> Iterator[Finding]:
    if not study.state.is_open:
        return
    wanted = sa.select(_t.c.code).where(_t.c.study_id == study.id, _t.c.state.in_(_OPEN_WORDS))
    codes = {study.code, *connection.execute(wanted.distinct()).scalars()} - {None}
    there = connection.execute(sa.select(_c.c.hash).where(_c.c.hash.in_(codes))).scalars()
    for code in sorted(map(str, codes - set(there))):
        yield Finding(
            kind="code",
            study=study.full_name,
            text=f"its code {code[:12]} is not in the database any more",
            does="submit the study again from its folder: tuner submit SPEC",
        )
