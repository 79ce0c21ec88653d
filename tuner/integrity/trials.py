"""Checks that a study's trials are complete and that their rows do not contradict themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tuner.errors import TunerError
from tuner.integrity.columns import check_rows
from tuner.integrity.finding import Finding, Mend, numbers, writes
from tuner.integrity.optuna_trials import stored_params, stored_values
from tuner.integrity.raw import RawRow, raw_select
from tuner.proposals.proposing import Proposer, proposal_seed
from tuner.spec import StudySpec
from tuner.storage import tables
from tuner.trials.states import TrialState
from tuner.trials.study import Study

_s, _t, _a = tables.studies, tables.trials, tables.attempts

#: Values with which a trial is entered if nothing is known of it any more.
_LOST = {"state": TrialState.FAIL.value, "cause": "cancelled", "counted": False, "objective": None}
_LOST_TEXT = "its rows were damaged; a repair of the database has given it up"


def check_trials(
    connection: sa.Connection, study: Study, spec: StudySpec | None, now: float
) -> Iterator[Finding]:
    """Yield the faults in the trials of a study whose own row is sound."""
    name, mine = study.full_name, _t.c.study_id == study.id
    instead: dict[str, Any] = {"created": study.created, "optuna_id": 0, "proposal_json": "{}"}
    instead["seed"] = proposal_seed(study.seed, 0) % 2**31
    special = ("params_json", "values_json", "metrics_json", "state")
    wrong = list(
        check_rows(connection, _t, mine, kind="value", study=name, instead=instead, skip=special)
    )
    yield from wrong
    if wrong:
        return
    query = raw_select(_t).where(mine).order_by(_t.c.number)
    rows: list[RawRow] = [dict(row) for row in connection.execute(query).mappings()]
    yield from _check_numbers(study, rows)
    proposer = _proposer(study, spec)
    for row in rows:
        yield from _check_trial(connection, study, row, spec, proposer)
    told = [row["told"] for row in rows if row["told"] is not None]
    highest = max(told, default=0)
    if study.told < highest or len(set(told)) < len(told):
        yield _of(
            name,
            "the order in which its results were told is broken",
            "the results keep the order of their ends",
            lambda connection, _now: _renumber(connection, study.id),
        )


def _check_numbers(study: Study, rows: Sequence[RawRow]) -> Iterator[Finding]:
    name = study.full_name
    there = {row["number"] for row in rows}
    # A number that is far off is itself damaged: missing trials are not invented by the million.
    given = max(there, default=-1) + 1
    if study.next_number < given or study.next_number > given + 1000:
        yield _of(
            name,
            f"its next trial would be {study.next_number}, after {given} trials",
            f"the next one is {given}",
            writes(_s.update().where(_s.c.id == study.id).values(next_number=given)),
        )
    missing = [n for n in range(max(given, min(study.next_number, given + 1000))) if n not in there]
    if missing:

        def enter(connection: sa.Connection, now: float) -> None:
            for number in missing:
                connection.execute(_t.insert().values(**_placeholder(study, number, now)))

        yield _of(
            name,
            f"{numbers(missing)} of it are missing",
            "they are entered as cancelled, without parameters, and do not count",
            enter,
        )


def _placeholder(study: Study, number: int, now: float) -> dict[str, Any]:
    return {
        "study_id": study.id,
        "number": number,
        "params_json": "{}",
        "proposal_json": "{}",
        "seed": proposal_seed(study.seed, number) % 2**31,
        "optuna_id": 0,
        "created": now,
        "finished": now,
        "values_json": "[]",
        "metrics_json": "{}",
        "error": _LOST_TEXT,
        **_LOST,
    }


def _check_trial(
    connection: sa.Connection,
    study: Study,
    row: RawRow,
    spec: StudySpec | None,
    proposer: Proposer | None,
) -> Iterator[Finding]:
    def found(text: str, does: str, **values: Any) -> Finding:
        at = sa.and_(_t.c.study_id == study.id, _t.c.number == row["number"])
        mend = writes(_t.update().where(at).values(**values))
        return _of(study.full_name, f"trial {row['number']}: {text}", does, mend)

    try:
        state = TrialState(row["state"])
    except ValueError:
        lost = {**_LOST, "error": _LOST_TEXT, "finished": study.created, "values_json": "[]"}
        yield found(f"its state is {row['state']!r}", "it is given up, and does not count", **lost)
        return
    if not _fits(row["params_json"], proposer):
        params = stored_params(connection, row["optuna_id"], study, row["number"], spec)
        does = "they are taken from Optuna's tables" if params else "it keeps none"
        yield found(
            "its parameters cannot be read, or are not of the study's space",
            does,
            params_json=json.dumps(params or {}),
        )
    if _json_or_none(row["metrics_json"], dict) is None and row["metrics_json"] is not None:
        yield found("its metrics cannot be read", "it has none", metrics_json="{}")
    if state.is_ended:
        yield from _check_ended(connection, study, row, state, spec, found)
    elif row["told"] is not None:
        yield found("it was told as ended, and has not ended", "it was not told", told=None)


def _check_ended(
    connection: sa.Connection,
    study: Study,
    row: RawRow,
    state: TrialState,
    spec: StudySpec | None,
    found: Callable[..., Finding],
) -> Iterator[Finding]:
    if row["finished"] is None:
        yield found(
            "it has ended, and nobody knows when", "when it was made", finished=row["created"]
        )
    if state is TrialState.FAIL and row["cause"] is None:
        yield found("it has failed without a cause", "the cause is `error`", cause="error")
    count = None if spec is None else len(spec.metrics)
    values = _json_or_none(row["values_json"], list)
    sound = values is not None and all(isinstance(value, int | float) for value in values)
    if state is TrialState.COMPLETE and not (
        sound
        and values
        and (count is None or len(values) == count)
        and row["objective"] is not None
    ):
        known = stored_values(connection, row["optuna_id"], study, row["number"], count)
        if known is None and row["objective"] is not None and count == 1:
            known = [row["objective"]]
        if known is None:
            lost = {**_LOST, "error": _LOST_TEXT, "values_json": "[]"}
            yield found("its result is lost", "it is given up, and does not count", **lost)
        else:
            yield found(
                "its result cannot be read",
                "it is taken from where it stands a second time",
                objective=known[0],
                values_json=json.dumps(known),
            )
    elif row["values_json"] is not None and not sound:
        yield found("its values cannot be read", "it has none", values_json="[]")


def _proposer(study: Study, spec: StudySpec | None) -> Proposer | None:
    if spec is None:
        return None
    return Proposer(spec.space, spec.sampler.name, study.seed % 2**32)


def _fits(text: Any, proposer: Proposer | None) -> bool:
    params = _json_or_none(text, dict)
    if params is None:
        return False
    if proposer is None:
        return True
    try:
        proposer.encode(params)
        proposer.space.key(params)
        proposer.decode(params)
    except (TypeError, ValueError, KeyError, AttributeError, TunerError):
        return False
    return set(params) <= {parameter.name for parameter in proposer.space.parameters}


def _json_or_none(text: Any, shape: type) -> Any:
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return value if isinstance(value, shape) else None


def _renumber(connection: sa.Connection, study_id: int) -> None:
    query = sa.select(_t.c.number).where(_t.c.study_id == study_id, _t.c.told.is_not(None))
    told = list(connection.execute(query.order_by(_t.c.finished, _t.c.number)).scalars())
    for order, number in enumerate(told, start=1):
        at = sa.and_(_t.c.study_id == study_id, _t.c.number == number)
        connection.execute(_t.update().where(at).values(told=order))
    connection.execute(_s.update().where(_s.c.id == study_id).values(told=len(told)))


def _of(name: str, text: str, does: str, mend: Mend) -> Finding:
    return Finding(kind="trial", study=name, text=text, does=does, mend=mend)
