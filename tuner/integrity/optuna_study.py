"""Checks that Optuna's tables hold a study of ours with all its trials, and no other one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from tuner.integrity.finding import Finding, numbers
from tuner.integrity.optuna_trials import write_trial
from tuner.spec import StudySpec
from tuner.storage import optuna_check, optuna_rows, tables
from tuner.trials.states import ENDED, TrialState
from tuner.trials.study import Study

_s, _t = tables.studies, tables.trials
#: Optuna's words for the states of ended trials are the names of ours.
_ENDED_WORDS = [state.name for state in ENDED]


def check_optuna(connection: sa.Connection, study: Study, spec: StudySpec) -> Iterator[Finding]:
    """Yield what Optuna's tables lack of a study whose own rows are sound."""
    name = study.full_name
    names = optuna_check.study_names(connection)
    found = names.get(study.optuna_id)
    if found != name:
        other = next((key for key, own in names.items() if own == name), None)
        is_own = other is not None and _is_own(connection, study, other)
        yield _lost(study, spec, found, other=other if is_own else None, taken=other is not None)
        return
    yield from _check_texts(connection, study)
    yield from _check_trials(connection, study, spec)


def _lost(
    study: Study,
    spec: StudySpec,
    found: str | None,
    *,
    other: int | None,
    taken: bool,
) -> Finding:
    """Return what to do if a study's Optuna id is no longer its own.

    Args:
        study: ours.
        found: name of the study that has the id; None: no study.
        other: the id of the study of the same name, if that contains trials of ours.
        taken: whether a study of the same name exists.
    """
    name = study.full_name
    text = "its study in Optuna's tables is gone: it was deleted there"
    if found is not None:
        text = f"its study in Optuna's tables is gone, and its number there is that of {found!r}"
    kind: Any = "optuna-study" if found is None else "shared-id"
    if other is not None:

        def relink(connection: sa.Connection, _now: float) -> None:
            connection.execute(_s.update().where(_s.c.id == study.id).values(optuna_id=other))

        does = "the study of its name there, which has its trials, is taken for it"
        return Finding(kind=kind, study=name, text=text, does=does, mend=relink)
    if taken:
        todo = (
            f"somebody has made another study of this name there: delete or rename that one "
            f"(optuna delete-study --study-name {name}), then: tuner db check --repair {name}"
        )
        return Finding(kind=kind, study=name, text=text, does=todo)

    def make(connection: sa.Connection, _now: float) -> None:
        goals = [metric.goal for metric in spec.metrics]
        optuna_id = optuna_rows.insert_study(connection, name, goals)
        connection.execute(_s.update().where(_s.c.id == study.id).values(optuna_id=optuna_id))
        query = sa.select(_t.c.number).where(_t.c.study_id == study.id).order_by(_t.c.number)
        for number in list(connection.execute(query).scalars()):
            write_trial(connection, study, spec, number, optuna_id)

    does = "it is made again there, with all its trials as Tuner's own tables hold them"
    return Finding(kind=kind, study=name, text=text, does=does, mend=make)


def _is_own(connection: sa.Connection, study: Study, other: int) -> bool:
    """Whether an Optuna study contains trials of ours, and belongs to no other study of ours."""
    taken = sa.select(_s.c.id).where(_s.c.optuna_id == other, _s.c.id != study.id)
    if connection.execute(taken).first() is not None:
        return False
    there = optuna_check.trials_of(connection, other)
    query = sa.select(_t.c.number, _t.c.optuna_id).where(_t.c.study_id == study.id)
    ours = {key: number for number, key in connection.execute(query)}
    return all(ours.get(key) == number for key, (number, _) in there.items())


def _check_texts(connection: sa.Connection, study: Study) -> Iterator[Finding]:
    for what, owner, key, text in optuna_check.texts_of(connection, study.optuna_id):
        try:
            json.loads(text)
        except (TypeError, ValueError, RecursionError):

            def drop(
                connection: sa.Connection,
                _now: float,
                at: tuple[str, int, str] = (what, owner, key),
            ) -> None:
                optuna_check.drop_text(connection, *at)

            yield Finding(
                kind="optuna-study" if what == "study" else "optuna-trial",
                study=study.full_name,
                text=f"the attribute {key[:60]!r} in Optuna's tables is not JSON",
                does="it is removed",
                mend=drop,
            )


def _check_trials(connection: sa.Connection, study: Study, spec: StudySpec) -> Iterator[Finding]:
    there = optuna_check.trials_of(connection, study.optuna_id)
    query = sa.select(_t.c.number, _t.c.optuna_id, _t.c.state, _t.c.told)
    query = query.where(_t.c.study_id == study.id).order_by(_t.c.number)
    rows = connection.execute(query).all()
    missing = [row.number for row in rows if there.get(row.optuna_id, (None, ""))[0] != row.number]
    if missing:

        def enter(connection: sa.Connection, _now: float) -> None:
            for number in missing:
                write_trial(connection, study, spec, number, study.optuna_id)

        yield Finding(
            kind="optuna-trial",
            study=study.full_name,
            text=f"{numbers(missing)} of it are not in Optuna's tables",
            does="they are entered there as Tuner's own tables hold them",
            mend=enter,
        )
        return
    for row in rows:
        stored = there[row.optuna_id][1]
        state = TrialState(row.state)
        is_told = row.told is not None and state.is_ended
        wanted = state.name if is_told else "RUNNING"
        if stored == wanted or (not is_told and stored in _ENDED_WORDS):
            continue

        def put(
            connection: sa.Connection, _now: float, at: tuple[int, str] = (row.optuna_id, wanted)
        ) -> None:
            optuna_check.set_state(connection, *at)

        yield Finding(
            kind="optuna-trial",
            study=study.full_name,
            text=f"trial {row.number} is {wanted}, and {stored} in Optuna's tables",
            does="Optuna's tables say the same",
            mend=put,
        )
