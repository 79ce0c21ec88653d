"""Which attempt a worker gets, and what it is told about it."""

from __future__ import annotations

import dataclasses
import json

import sqlalchemy as sa

from tuner import protocol
from tuner.errors import TunerError
from tuner.security.identity import caller
from tuner.service.answers.records import trial_config
from tuner.spec import StudySpec, known_parameters
from tuner.trials.attempt import Attempt
from tuner.trials.ending.attempts import Ending, end_attempt
from tuner.trials.fair_share import Contender, turn_key
from tuner.trials.faults import study_step
from tuner.trials.kinds import claim_kind
from tuner.trials.specs import read_spec
from tuner.trials.states import AttemptState, TrialState
from tuner.trials.store.attempts import read_attempt
from tuner.trials.store.claims.claimable import count_leased, lease, leased_attempts, ready_of
from tuner.trials.store.claims.queue import OfferingStudy, offering_studies
from tuner.trials.store.reports import earlier_curve
from tuner.trials.store.studies import hold_study, hold_study_id, study_of
from tuner.trials.store.trials import start_trial, trial_of
from tuner.trials.store.workers import able_states
from tuner.trials.study import Study
from tuner.trials.trial import Trial

#: Maximum number of a study's ready attempts that a claim considers.
CANDIDATES = 20


class AssignmentError(Exception):
    """The stored data of a trial or study does not make a valid assignment; the text says why."""

    def __init__(self, attempt: str, reason: str) -> None:
        super().__init__(reason)
        self.attempt = attempt


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """An attempt that was leased to a worker, and its trial; None: it was just deleted."""

    attempt: Attempt
    trial: Trial | None


class ClaimedTwiceError(Exception):
    """The same claim was repeated while it was being answered, and has just been answered."""


def choose_attempt(
    connection: sa.Connection, claim: protocol.Claim, image: str, now: float
) -> Chosen | None:
    """Lease the attempt that this worker should run and return it, or None.

    The study that is furthest below its fair share comes first (each step of priority doubles a
    share), within a study the attempt that has been ready longest.

    Args:
        connection: the claim's transaction.
        claim: the worker's claim.
        image: the image it runs in, as returned by `Verification.to_json`.
        now: the database's time.

    Raises:
        ClaimedTwiceError: the claim was answered concurrently.
        StudyFaultError: a study has damaged rows.
    """
    for study in _studies_in_turn(connection, claim, now):
        with study_step(study.id, "giving out a trial", passing=ClaimedTwiceError):
            leased = _choose_of(connection, study, claim, image, now)
        if leased is not None:
            return leased
    return None


def _choose_of(
    connection: sa.Connection,
    study: OfferingStudy,
    claim: protocol.Claim,
    image: str,
    now: float,
) -> Chosen | None:
    """Lease an attempt of one study."""
    if study.parallel is not None and not _has_room(connection, study.id, study.parallel):
        return None
    for attempt in ready_of(connection, study.id, now, most=CANDIDATES):
        if claim.worker.name in attempt.excluded and able_states(
            connection, study.id, attempt.excluded_json, now
        ):
            continue  # one that has not failed at it is there
        leased = _lease(connection, attempt, claim, image, now)
        if leased is not None:
            return leased
    return None


def _has_room(connection: sa.Connection, study_id: int, parallel: int) -> bool:
    """Whether the study has room for another attempt; locks it, so that this stays true.

    No more trials are proposed than it allows, but if the limit was lowered, more may be ready.
    """
    if count_leased(connection, study_id) >= parallel:
        return False  # without a lock, so that claims do not wait for each other in a circle
    hold_study_id(connection, study_id)
    return count_leased(connection, study_id) < parallel


def _studies_in_turn(
    connection: sa.Connection, claim: protocol.Claim, now: float
) -> list[OfferingStudy]:
    """Return the studies with something for this claim, in order of fair share.

    If several are equally far below theirs, the one whose trial has waited longest comes first.
    """
    kind = claim_kind(claim, claim.worker.image)
    studies = offering_studies(connection, kind, caller().projects, now)
    if len(studies) < 2:
        return studies
    busy = leased_attempts(connection)
    return sorted(studies, key=lambda study: _turn_key(study, busy[study.id]))


def _turn_key(study: OfferingStudy, busy: int) -> tuple[float, float, int]:
    with study_step(study.id, "giving out a trial"):
        contender = Contender(study.id, float(study.priority))
        return turn_key(contender, busy, float(study.since))


def _lease(
    connection: sa.Connection,
    attempt: Attempt,
    claim: protocol.Claim,
    image: str,
    now: float,
) -> Chosen | None:
    worker = claim.worker
    try:
        leased = lease(
            connection,
            attempt.id,
            now,
            token=claim.token,
            worker=worker.name,
            host=worker.host,
            image_json=image,
        )
    except sa.exc.IntegrityError as exc:
        # Of the columns changed here, only the token must be unique.
        raise ClaimedTwiceError from exc
    if leased is None:
        return None
    return Chosen(attempt=leased, trial=start_trial(connection, leased, now))


def assign(
    connection: sa.Connection, attempt: Attempt, trial: Trial | None = None
) -> protocol.Assignment:
    """Return everything a worker needs to run the attempt.

    Args:
        connection: the claim's transaction.
        attempt: the attempt that it was given.
        trial: of the attempt, where the transaction holds it already.

    Raises:
        NotFoundError: its study was deleted just now.
        AssignmentError: its stored data cannot be read.
    """
    study = study_of(connection, attempt)
    if trial is None:
        trial = trial_of(connection, attempt)
    try:
        assignment = _build(connection, study, trial, attempt, read_spec(study.spec_json))
        # A worker that cannot read its answer would ask for it again and again.
        return protocol.Assignment.from_json(json.loads(protocol.dumps(assignment)))
    except (TunerError, ValueError, KeyError, TypeError) as exc:
        raise AssignmentError(attempt.id, f"{type(exc).__name__}: {exc}"[:1000]) from exc


def end_unassignable(connection: sa.Connection, error: AssignmentError, now: float) -> None:
    """End an attempt that cannot be assigned, with an error of its own, which counts."""
    study = hold_study(connection, error.attempt)
    attempt = read_attempt(connection, error.attempt, hold=True)
    if study is None or attempt is None or not attempt.state.is_live:
        return  # deleted, or called off, just now
    text = f"what is stored of this trial makes no assignment for a worker: {error}"
    end_attempt(
        connection,
        study,
        # It never belonged to a worker, so none is to blame.
        attempt,
        Ending(state=TrialState.FAIL, cause="error", error=text, attempt_state=AttemptState.FAILED),
        now,
        retries=0,
    )


def _build(
    connection: sa.Connection,
    study: Study,
    trial: Trial,
    attempt: Attempt,
    spec: StudySpec,
) -> protocol.Assignment:
    return protocol.Assignment(
        attempt=attempt.id,
        study=study.full_name,
        trial=attempt.number,
        attempt_no=attempt.no,
        params=trial.params,
        seed=trial.seed,
        objective=spec.entry,
        metrics=[{"name": metric.name, "goal": metric.goal} for metric in spec.metrics],
        run_dir=attempt.run_dir,
        checkpoint_dir=f"{study.full_name}/trial_{attempt.number:05d}",
        code=trial.code,
        timeout_s=spec.trial.timeout,
        devices=spec.trial.gpus,
        reproducibility=spec.trial.reproducibility,
        backend=spec.trial.backend,
        curve=earlier_curve(connection, attempt),
        config=trial_config(study, trial, spec, attempt),
        known=known_parameters(spec),
        loader=spec.data.loader,
        command=list(spec.command),
    )
