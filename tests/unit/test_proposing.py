"""Proposals are valid, allowed, new, and the same again after a restart."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from optuna.pruners import NopPruner
from optuna.trial import TrialState

from tests.support import spaces
from tests.support.patience import wait_until
from tuner.proposals import prefetch as speculating
from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.prefetch import Prefetch
from tuner.proposals.proposal import Proposal
from tuner.proposals.proposing import Proposer, SpaceExhaustedError, proposal_seed
from tuner.registry import SAMPLERS
from tuner.space import SearchSpace

MIXED = {"parameters": spaces.MIXED, "forbid": [{"train.optimizer": "sgd", "model.layers": 4}]}
FINITE = {"parameters": spaces.finite(), "forbid": [{"a": "y", "c": True}]}


def make(
    space: Mapping[str, Any], sampler: str, *, fixed: Sequence[dict[str, Any]] = ()
) -> Proposer:
    return Proposer(SearchSpace.from_json(dict(space)), sampler, 7, fixed)


def in_memory() -> InMemoryStudy:
    return InMemoryStudy("p/s", ["minimize"], NopPruner())


def add(study: InMemoryStudy, proposer: Proposer, proposal: Proposal) -> int:
    """Store a proposal, as the coordinator does it; return its number."""
    study.load_study_attrs(proposal.study_attrs)
    number = study.add(proposer.encode(proposal.params), proposal.trial_attrs)
    proposer.remember(proposal.params)
    return number


def run(proposer: Proposer, study: InMemoryStudy, count: int) -> list[dict[str, Any]]:
    """Propose, store and tell `count` trials, as the coordinator does it."""
    found = []
    for _ in range(count):
        proposal = proposer.propose(study)
        number = add(study, proposer, proposal)
        study.tell(number, TrialState.COMPLETE, [float(number % 5)], {})
        found.append(proposal.params)
    return found


flat = sorted(set(SAMPLERS.built_in) - {"gp", "grid"})


@pytest.mark.parametrize("sampler", flat)
def test_every_proposal_is_a_valid_new_and_allowed_configuration(sampler: str) -> None:
    proposer = make(MIXED, sampler)

    found = run(proposer, in_memory(), 40)

    assert [proposer.space.problems(params) for params in found] == [[]] * 40
    assert len({proposer.space.key(params) for params in found}) == 40


@pytest.mark.parametrize("sampler", [*flat, "grid"])
def test_a_finite_space_is_proposed_completely_and_then_exhausted(sampler: str) -> None:
    proposer, study = make(FINITE, sampler), in_memory()
    allowed = {proposer.space.key(c) for c in proposer.space.configurations()}

    found = run(proposer, study, len(allowed))

    assert {proposer.space.key(params) for params in found} == allowed
    with pytest.raises(SpaceExhaustedError):
        proposer.propose(study)


@pytest.mark.parametrize("sampler", flat)
def test_a_restarted_coordinator_goes_on_as_the_first_would_have(sampler: str) -> None:
    straight = run(make(MIXED, sampler), in_memory(), 24)

    proposer, study = make(MIXED, sampler), in_memory()
    broken = run(proposer, study, 11)
    # The restart: a new proposer over a study rebuilt from what the Storage holds.
    rebuilt = in_memory()
    rebuilt.load_study_attrs(study.study_attrs())
    for number, trial in enumerate(study.study.get_trials(deepcopy=True)[:11]):
        rebuilt.load_trial(number, trial)
    again = make(MIXED, sampler)
    for params in broken:
        again.remember(params)
    broken += run(again, rebuilt, 13)

    assert broken == straight


def test_start_with_comes_first_and_what_it_leaves_out_is_sampled() -> None:
    first = {"train.rate": 0.01, "train.optimizer": "sgd", "model.layers": 2}
    proposer = make(MIXED, "tpe", fixed=[first])

    (params,) = run(proposer, in_memory(), 1)

    assert first.items() <= params.items()
    assert proposer.space.problems(params) == []


def test_each_trial_and_try_has_a_seed_of_its_own() -> None:
    seeds = {proposal_seed(7, number, attempt) for number in range(100) for attempt in range(5)}

    assert len(seeds) == 500
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_a_proposal_says_what_it_was_conditioned_on() -> None:
    proposer, study = make(MIXED, "random"), in_memory()
    run(proposer, study, 3)
    pending = proposer.propose(study)
    add(study, proposer, pending)

    proposal = proposer.propose(study)

    assert (proposal.told, proposal.pending, proposal.sampler) == (3, (3,), "random")


def test_a_slow_sampler_is_replaced_by_a_cheap_choice_that_says_so() -> None:
    proposer, study = make(MIXED, "tpe"), in_memory()
    prefetch = Prefetch(study, proposer)

    prefetch._thread.submit(time.sleep, 2.0)  # the sampler before it
    assert prefetch.take(5.0) is None
    proposal = wait_until(lambda: prefetch.take(5.0), "a choice is made", seconds=10)

    assert (proposal.sampler, proposal.preparation) == ("random", "missed")
    assert proposer.space.problems(proposal.params) == []
    prefetch.close()


def test_a_worker_idles_for_a_short_while_rather_than_take_a_random_choice() -> None:
    proposer, study = make(MIXED, "tpe"), in_memory()
    told = threading.Event()
    prefetch = Prefetch(study, proposer, told.set)

    prefetch._thread.submit(time.sleep, 0.5)  # the sampler before it
    assert prefetch.take(None) is None
    assert told.wait(10.0)
    proposal = prefetch.take(None)

    assert proposal is not None
    assert (proposal.sampler, proposal.preparation) == ("tpe", "ready")
    prefetch.close()


def test_results_of_the_pruner_enter_the_mirror_and_nan_is_no_score() -> None:
    proposer, study = make(MIXED, "tpe"), in_memory()
    proposal = proposer.propose(study)
    number = add(study, proposer, proposal)

    assert study.report(number, 1, math.nan) is False
    study.tell(number, TrialState.FAIL, [], {1: math.nan})
    study.tell(number, TrialState.COMPLETE, [1.0], {})

    (trial,) = study.study.get_trials()
    assert trial.state == TrialState.FAIL
    assert study.told == 1


def test_a_free_worker_waits_for_a_proposal_that_knows_the_last_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However slow the machine: half of a trial of 120 s is the limit, not what is usually enough.
    monkeypatch.setattr(speculating, "LONGEST_WAIT_S", 60.0)
    proposer, study = make(MIXED, "bayesian"), in_memory()
    ahead = Prefetch(study, proposer)
    told = []
    for _ in range(6):
        ahead.prepare(120.0)
        proposal = None
        while proposal is None:
            proposal = ahead.take(120.0)
        told.append(proposal.told)
        number = add(study, proposer, proposal)
        # The next one is asked for while the trial runs, before its result is told.
        ahead.prepare(0.0)
        study.tell(number, TrialState.COMPLETE, [float(number % 5)], {})
    ahead.close()

    assert told == [0, 1, 2, 3, 4, 5]


def test_trials_that_last_no_longer_than_a_proposal_do_not_wait_for_it() -> None:
    proposer, study = make(MIXED, "tpe"), in_memory()
    prefetch = Prefetch(study, proposer)
    first = None
    while first is None:
        first = prefetch.take(0.001)
    number = add(study, proposer, first)
    prefetch.prepare(0.001)
    while prefetch.is_busy:
        time.sleep(0.01)
    study.tell(number, TrialState.COMPLETE, [1.0], {})
    prefetch._thread.submit(time.sleep, 5.0)  # the sampler is slow from now on

    proposal = prefetch.take(0.001)

    assert proposal is not None
    assert (proposal.told, proposal.preparation) == (0, "stale")
    prefetch.close()


def test_no_proposal_is_begun_while_results_wait_to_be_told() -> None:
    proposer, study = make(MIXED, "tpe"), in_memory()
    prefetch = Prefetch(study, proposer)
    prefetch.results_wait = True

    prefetch.prepare(30.0)
    assert prefetch.take(30.0) is None
    assert not prefetch.is_busy

    prefetch.results_wait = False
    proposal = None
    while proposal is None:
        proposal = prefetch.take(30.0)
    assert (proposal.told, proposal.sampler) == (0, "tpe")
    prefetch.close()
