"""Stores a proposal: the whole trial in one commit, or nothing."""

from __future__ import annotations

import json

from tuner.coordinator.leadership import Leadership
from tuner.coordinator.studies.study_run import StudyRun
from tuner.errors import StudyError
from tuner.proposals.proposal import Proposal
from tuner.proposals.proposing import proposal_seed
from tuner.storage import Storage, optuna_rows
from tuner.trials.states import TrialState
from tuner.trials.store.attempts import insert_attempt
from tuner.trials.store.studies import reserve_number
from tuner.trials.store.trials import insert_trial


class BehindDatabaseError(StudyError):
    """The database's trials differ from those of the in-memory study, which must be rebuilt."""


def commit_proposal(
    storage: Storage, leadership: Leadership, run: StudyRun, proposal: Proposal
) -> int:
    """Store `proposal` as the study's next trial, with an attempt ready to be claimed.

    In one transaction, the number is reserved, the trial enters Optuna's tables and ours, and its
    attempt is created; only then is the in-memory study updated.

    Raises:
        FencedError: another coordinator leads.
        MissingRowsError: Optuna's tables no longer contain the study.
        BehindDatabaseError: the next number in the database differs from the in-memory study's, the
            study was changed, or it is no longer running.
    """
    number = len(run.in_memory)
    encoded = run.proposer.encode(proposal.params)
    with storage.begin("propose") as connection:
        leadership.require(connection)
        now = storage.now(connection)
        reserved = reserve_number(connection, run.study, number)
        if reserved is None:
            raise BehindDatabaseError(f"trial {number} cannot be reserved")
        study = reserved.study
        optuna_rows.require_name(reserved.optuna_name, run.name)
        optuna_id = optuna_rows.insert_trial(
            connection,
            study.optuna_id,
            number,
            params=encoded,
            system_attrs=proposal.trial_attrs,
            started=now,
        )
        optuna_rows.set_study_attrs(connection, study.optuna_id, proposal.study_attrs)
        insert_trial(
            connection,
            study_id=study.id,
            number=number,
            state=TrialState.WAITING,
            params_json=json.dumps(proposal.params),
            code=study.code,
            git_json=study.git_json,
            # Independent of the attempt: a retry repeats the same training.
            seed=proposal_seed(study.seed, number) % 2**31,
            proposal_json=json.dumps({**proposal.to_json(), **run.known}),
            optuna_id=optuna_id,
            created=now,
        )
        insert_attempt(connection, study, number, 1, now)
    run.in_memory.load_study_attrs(proposal.study_attrs)
    run.in_memory.add(encoded, proposal.trial_attrs)
    run.proposed(proposal.params, is_retry=proposal.retry_of is not None)
    return number
