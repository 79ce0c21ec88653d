"""Checks that attempts and reports belong to a study's trials, and that all can continue."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from tuner.integrity.columns import check_rows
from tuner.integrity.finding import Finding, numbers, writes
from tuner.storage import tables
from tuner.trials.states import ENDED, LIVE, AttemptState, TrialState
from tuner.trials.store.attempts import call_off, insert_attempt, run_dir
from tuner.trials.store.columns import words
from tuner.trials.study import Study
from tuner.trials.study_states import drop_unstarted

_t, _a, _r = tables.trials, tables.attempts, tables.reports
_LIVE_WORDS = words(LIVE)
_ENDED_WORDS = words(ENDED)
_OPEN_WORDS = words((TrialState.WAITING, TrialState.RUNNING))


def check_attempts(connection: sa.Connection, study: Study, now: float) -> Iterator[Finding]:
    """Yield the faults in the attempts and reports of a study whose own row is sound."""
    mine = _a.c.study_id == study.id
    instead = {
        "state": AttemptState.REVOKED.value,
        "created": study.created,
        "run_dir": run_dir(study.project, study.name, 0, 1, now),
    }
    yield from check_rows(
        connection, _a, mine, kind="value", study=study.full_name, instead=instead
    )
    yield from check_rows(
        connection, _r, _r.c.study_id == study.id, kind="report", study=study.full_name, drop=True
    )
    yield from _check_partners(connection, study)
    yield from _check_folders(connection, study)
    yield from _check_leases(connection, study)
    yield from _check_going_on(connection, study)


def _check_partners(connection: sa.Connection, study: Study) -> Iterator[Finding]:
    """Find attempts without a trial, and reports without an attempt."""
    trials = sa.select(_t.c.number).where(_t.c.study_id == study.id)
    lonely = sa.and_(_a.c.study_id == study.id, _a.c.number.not_in(trials))
    found = connection.execute(sa.select(_a.c.number).where(lonely).distinct()).scalars().all()
    if found:
        yield Finding(
            kind="dangling",
            study=study.full_name,
            text=f"attempts of {numbers(list(found))}, which it does not have",
            does="they are removed",
            mend=writes(_a.delete().where(lonely)),
        )
    attempt = sa.select(_a.c.id).where(
        _a.c.study_id == _r.c.study_id, _a.c.number == _r.c.number, _a.c.no == _r.c.no
    )
    is_empty = sa.and_(_r.c.value.is_(None), _r.c.special.is_(None))
    stray = sa.and_(_r.c.study_id == study.id, sa.or_(~attempt.exists(), is_empty))
    count = connection.execute(sa.select(sa.func.count()).where(stray)).scalar_one()
    if count:
        yield Finding(
            kind="dangling",
            study=study.full_name,
            text=f"{count} reports without a value, or of attempts that it does not have",
            does="they are removed",
            mend=writes(_r.delete().where(stray)),
        )


def _check_folders(connection: sa.Connection, study: Study) -> Iterator[Finding]:
    """Find attempts whose folder does not belong to the study."""
    query = sa.select(_a.c.id, _a.c.number, _a.c.no, _a.c.created).where(
        _a.c.study_id == study.id,
        ~_a.c.run_dir.startswith(f"{study.full_name}/trial_", autoescape=True),
    )
    wrong = connection.execute(query).all()
    if not wrong:
        return

    def put(connection: sa.Connection, _now: float) -> None:
        for row in wrong:
            folder = run_dir(study.project, study.name, row.number, row.no, row.created)
            connection.execute(_a.update().where(_a.c.id == row.id).values(run_dir=folder))

    text = f"{numbers([row.number for row in wrong])}: the folder is not the study's"
    does = "it is the one that was made for the attempt"
    yield Finding(kind="attempt", study=study.full_name, text=text, does=does, mend=put)


def _check_leases(connection: sa.Connection, study: Study) -> Iterator[Finding]:
    """Find leased attempts without an end of the lease or a worker."""
    broken = sa.and_(
        _a.c.study_id == study.id,
        _a.c.state == AttemptState.LEASED.value,
        sa.or_(_a.c.lease_until.is_(None), _a.c.worker.is_(None), _a.c.token.is_(None)),
    )
    found = connection.execute(sa.select(_a.c.number).where(broken)).scalars().all()
    if found:
        take_back = (
            _a.update().where(broken).values(state=AttemptState.REVOKED.value, wanted="cancel")
        )
        yield Finding(
            kind="attempt",
            study=study.full_name,
            text=f"{numbers(list(found))}: leased, but not until when or to whom",
            does="the lease is taken back, and the trial runs again",
            mend=writes(take_back),
        )


def _check_going_on(connection: sa.Connection, study: Study) -> Iterator[Finding]:
    """Find trials that would wait forever, and live attempts of trials that have an outcome."""
    live = sa.select(_a.c.number).where(_a.c.study_id == study.id, _a.c.state.in_(_LIVE_WORDS))
    waiting = sa.select(_t.c.number).where(_t.c.study_id == study.id, _t.c.state.in_(_OPEN_WORDS))
    query = waiting.where(_t.c.number.not_in(live)) if study.state.is_open else waiting
    stuck = list(connection.execute(query.order_by(_t.c.number)).scalars())
    if stuck and study.state.is_open:

        def offer(connection: sa.Connection, now: float) -> None:
            for number in stuck:
                last = connection.execute(
                    sa.select(sa.func.max(_a.c.no)).where(
                        _a.c.study_id == study.id, _a.c.number == number
                    )
                ).scalar_one()
                insert_attempt(connection, study, number, (last or 0) + 1, now)
                at = sa.and_(_t.c.study_id == study.id, _t.c.number == number)
                connection.execute(_t.update().where(at).values(state=TrialState.WAITING.value))

        text = f"{numbers(stuck)}: waits, and no attempt at it can be claimed"
        does = "it is offered to the workers again"
        yield Finding(kind="attempt", study=study.full_name, text=text, does=does, mend=offer)
    elif stuck:
        text = f"{numbers(stuck)}: not ended, while the study is {study.state.value}"
        yield Finding(
            kind="trial",
            study=study.full_name,
            text=text,
            does="it ends as cancelled, and does not count",
            mend=lambda connection, now: drop_unstarted(connection, study.id, now),
        )
    ended = sa.select(_t.c.number).where(_t.c.study_id == study.id, _t.c.state.in_(_ENDED_WORDS))
    late = live.where(_a.c.number.in_(ended)).distinct()
    over = list(connection.execute(late).scalars())
    if over:

        def end(connection: sa.Connection, now: float) -> None:
            for number in over:
                call_off(connection, study.id, number, now)

        text = f"{numbers(over)}: ended, and an attempt at it is still offered or runs"
        yield Finding(
            kind="attempt", study=study.full_name, text=text, does="it is called off", mend=end
        )
