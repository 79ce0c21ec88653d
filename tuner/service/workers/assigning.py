"""Which attempt a worker gets, and what it is told about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from tuner import protocol
from tuner.errors import TunerError
from tuner.identity import caller
from tuner.protocol import LEASE_S
from tuner.service.answers.records import trial_config
from tuner.spec import StudySpec, known_parameters
from tuner.storage import tables
from tuner.storage.curves import join_reports, stored_value
from tuner.trials.attempts import LIVE, Ending, end_attempt
from tuner.trials.demand import EXTERNAL, able_workers, claim_kind, gpus_of
from tuner.trials.faults import study_step
from tuner.trials.locking import hold_study
from tuner.trials.rows import study_of, trial_of

#: A claim looks at this many of a study's ready attempts.
CANDIDATES = 20


class AssignmentError(Exception):
    """What is stored of an attempt's trial or study makes no assignment; the text says why."""

    def __init__(self, attempt: str, reason: str) -> None:
        super().__init__(reason)
        self.attempt = attempt


class ClaimedTwiceError(Exception):
    """The same claim was sent again while it was being answered, and has just been answered."""


def choose_attempt(
    connection: sa.Connection, claim: protocol.Claim, image: str, now: float
) -> sa.Row[Any] | None:
    """Lease the attempt that this worker should run and return it, or None.

    The study that is furthest below its fair share comes first (each step of priority doubles a
    share), within a study the attempt that was ready first.

    Args:
        connection: of the claim's transaction.
        claim: of the worker.
        image: which one it runs in, as `Verification.to_json` says it.
        now: the database's time.

    Raises:
        ClaimedTwiceError: see there.
        StudyFaultError: the rows of a study are in the way.
    """
    for study_id, parallel in _studies_in_turn(connection, claim, now):
        with study_step(study_id, "giving out a trial", passing=ClaimedTwiceError):
            leased = _choose_of(connection, study_id, parallel, claim, image, now)
        if leased is not None:
            return leased
    return None


def _choose_of(
    connection: sa.Connection,
    study_id: int,
    parallel: int | None,
    claim: protocol.Claim,
    image: str,
    now: float,
) -> sa.Row[Any] | None:
    """Lease an attempt of one study."""
    if parallel is not None and not _has_room(connection, study_id, parallel):
        return None
    for attempt in _ready(connection, study_id, now):
        excluded = json.loads(attempt.excluded_json)
        if claim.worker.name in excluded and able_workers(connection, attempt, now):
            continue  # one that has not failed at it is there
        leased = _lease(connection, attempt, claim, image, now)
        if leased is not None:
            return leased
    return None


def _has_room(connection: sa.Connection, study_id: int, parallel: int) -> bool:
    """Whether fewer attempts of the study run than it allows; holds it, so that this stays so.

    No more are proposed than it allows, but what is ready may be more when the cap was lowered.
    """
    a, s = tables.attempts, tables.studies
    running = sa.select(sa.func.count()).where(a.c.study_id == study_id, a.c.state == "leased")
    if connection.execute(running).scalar_one() >= parallel:
        return False  # without a lock, so that claims do not wait for each other in a circle
    hold = sa.select(s.c.id).where(s.c.id == study_id).with_for_update(key_share=True)
    connection.execute(hold)
    return bool(connection.execute(running).scalar_one() < parallel)


def _studies_in_turn(
    connection: sa.Connection, claim: protocol.Claim, now: float
) -> list[tuple[int, int | None]]:
    """Return id and `parallel` of the studies with something for this claim, by fair share.

    Of several that are as far below theirs, the one whose trial waits longest comes first.
    """
    a, s = tables.attempts, tables.studies
    projects = caller().projects
    ready: sa.Select[Any] = (
        sa.select(s.c.id, s.c.priority, s.c.parallel, sa.func.min(a.c.created).label("since"))
        .join(a, a.c.study_id == s.c.id)
        .where(
            a.c.state == "ready",
            a.c.not_before <= now,
            s.c.state == "running",
            _is_for(claim),
        )
        .group_by(s.c.id, s.c.priority, s.c.parallel)
    )
    if projects is not None:
        ready = ready.where(s.c.project.in_(projects))
    rows = list(connection.execute(ready))
    if len(rows) < 2:
        return [(row.id, row.parallel) for row in rows]
    busy_query = (
        sa.select(a.c.study_id, sa.func.count()).where(a.c.state == "leased").group_by(a.c.study_id)
    )
    busy: dict[int, int] = dict(connection.execute(busy_query).all())
    rows.sort(key=lambda row: (busy.get(row.id, 0) / 2.0 ** _priority(row), _since(row), row.id))
    return [(row.id, row.parallel) for row in rows]


def _is_for(claim: protocol.Claim) -> sa.ColumnElement[bool]:
    """Whether a study's trials are for a claim; see `demand.matches`."""
    s = tables.studies
    device, needed, gpus = claim_kind(claim, claim.worker.image)
    if device == EXTERNAL:
        project, _, name = str(needed).partition("/")
        return sa.and_(s.c.device == device, s.c.project == project, s.c.name == name)
    fits = sa.and_(s.c.device == device, gpus_of(s) == gpus)
    return sa.and_(fits, sa.or_(s.c.image.is_(None), s.c.image == needed))


def _priority(study: sa.Row[Any]) -> float:
    with study_step(study.id, "giving out a trial"):
        return float(study.priority)


def _since(study: sa.Row[Any]) -> float:
    with study_step(study.id, "giving out a trial"):
        return float(study.since)


def _ready(connection: sa.Connection, study_id: int, now: float) -> list[sa.Row[Any]]:
    a = tables.attempts
    query = (
        sa.select(a)
        .where(a.c.study_id == study_id, a.c.state == "ready", a.c.not_before <= now)
        .order_by(a.c.created, a.c.number)
        .limit(CANDIDATES)
        .with_for_update(skip_locked=True)
    )
    return list(connection.execute(query))


def _lease(
    connection: sa.Connection,
    attempt: sa.Row[Any],
    claim: protocol.Claim,
    image: str,
    now: float,
) -> sa.Row[Any] | None:
    a, t = tables.attempts, tables.trials
    lease = (
        a.update()
        .where(a.c.id == attempt.id, a.c.state == "ready")
        .values(
            state="leased",
            token=claim.token,
            bearer=caller().token_id,
            worker=claim.worker.name,
            host=claim.worker.host,
            image_json=image,
            claimed=now,
            lease_until=now + LEASE_S,
        )
        .returning(a)
    )
    try:
        leased = connection.execute(lease).first()
    except sa.exc.IntegrityError as exc:
        # Of what is changed here only the token must be of its own.
        raise ClaimedTwiceError from exc
    if leased is not None:
        connection.execute(
            t.update()
            .where(t.c.study_id == attempt.study_id, t.c.number == attempt.number)
            .values(state="running", started=sa.func.coalesce(t.c.started, now))
        )
    return leased


def assign(
    connection: sa.Connection, attempt: sa.Row[Any], specs: Callable[[sa.Row[Any]], StudySpec]
) -> protocol.Assignment:
    """Return everything a worker needs to run the attempt.

    Args:
        connection: of the claim's transaction.
        attempt: its row.
        specs: returns the spec of a study.

    Raises:
        NotFoundError: its study was deleted just now.
        AssignmentError: what is stored of it cannot be read.
    """
    study = study_of(connection, attempt)
    trial = trial_of(connection, attempt)
    try:
        assignment = _build(connection, study, trial, attempt, specs(study))
        # A worker that cannot read its answer would ask for it again and again.
        return protocol.Assignment.from_json(json.loads(protocol.dumps(assignment)))
    except (TunerError, ValueError, KeyError, TypeError) as exc:
        raise AssignmentError(attempt.id, f"{type(exc).__name__}: {exc}"[:1000]) from exc


def end_unassignable(connection: sa.Connection, error: AssignmentError, now: float) -> None:
    """End an attempt that no worker can be told of: as an error of its own, which counts."""
    study = hold_study(connection, error.attempt)
    a = tables.attempts
    query = sa.select(a).where(a.c.id == error.attempt).with_for_update()
    attempt = connection.execute(query).first()
    if study is None or attempt is None or attempt.state not in LIVE:
        return  # deleted, or called off, just now
    text = f"what is stored of this trial makes no assignment for a worker: {error}"
    end_attempt(
        connection,
        study,
        # It never was a worker's: nobody is to be blamed.
        attempt,
        Ending(state="fail", cause="error", error=text, attempt_state="failed"),
        now,
        retries=0,
    )


def _build(
    connection: sa.Connection,
    study: sa.Row[Any],
    trial: sa.Row[Any],
    attempt: sa.Row[Any],
    spec: StudySpec,
) -> protocol.Assignment:
    return protocol.Assignment(
        attempt=attempt.id,
        study=f"{study.project}/{study.name}",
        trial=attempt.number,
        attempt_no=attempt.no,
        params=json.loads(trial.params_json),
        seed=trial.seed,
        objective=spec.entry,
        metrics=[{"name": metric.name, "goal": metric.goal} for metric in spec.metrics],
        run_dir=attempt.run_dir,
        checkpoint_dir=f"{study.project}/{study.name}/trial_{attempt.number:05d}",
        code=trial.code,
        timeout_s=spec.trial.timeout,
        devices=spec.trial.gpus,
        reproducibility=spec.trial.reproducibility,
        backend=spec.trial.backend,
        curve=_curve(connection, attempt) if attempt.no > 1 else [],
        config=trial_config(study, trial, spec, attempt),
        known=known_parameters(spec),
        loader=spec.data.loader,
        command=list(spec.command),
    )


def _curve(connection: sa.Connection, attempt: sa.Row[Any]) -> list[protocol.Point]:
    r = tables.reports
    rows = connection.execute(
        sa.select(r).where(
            r.c.study_id == attempt.study_id, r.c.number == attempt.number, r.c.no < attempt.no
        )
    ).all()
    return [
        protocol.Point(
            step=step,
            value=protocol.encode_number(stored_value(row)),
            metrics=json.loads(row.metrics_json) if row.metrics_json else {},
        )
        for step, row in join_reports(rows).items()
    ]
