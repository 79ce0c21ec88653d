"""The table of causes decides who runs again and what counts."""

from __future__ import annotations

import pytest

from tuner.protocol import Cause
from tuner.trials.causes import LONGEST_DELAY_S, POLICIES, delay_s, runs_again


@pytest.mark.parametrize("cause", ["lost", "rejected"])
def test_a_machine_cause_is_run_again_as_often_as_the_study_allows(cause: Cause) -> None:
    assert runs_again(cause, [], retries=2)
    assert runs_again(cause, ["lost"], retries=2)
    assert not runs_again(cause, ["lost", "rejected"], retries=2)
    assert not runs_again(cause, [], retries=0)


@pytest.mark.parametrize("cause", ["preempted", "storage"])
def test_a_preempted_trial_is_run_again_for_ever_and_uses_up_no_retry(cause: Cause) -> None:
    assert runs_again(cause, [cause] * 50, retries=0)
    assert runs_again("lost", [cause] * 50, retries=1)


def test_a_trial_that_ran_out_of_memory_gets_one_more_chance() -> None:
    assert runs_again("oom", [], retries=0)
    assert not runs_again("oom", ["oom"], retries=5)


@pytest.mark.parametrize("cause", ["timeout", "diverged", "error", "cancelled"])
def test_a_configuration_that_failed_by_itself_is_not_run_again(cause: Cause) -> None:
    assert not runs_again(cause, [], retries=9)


def test_only_failures_of_the_configuration_or_the_user_count_in_the_budget() -> None:
    counted = {cause for cause, policy in POLICIES.items() if policy.counted}

    assert counted == {"oom", "timeout", "diverged", "error", "cancelled"}


def test_the_sampler_is_told_of_infeasible_configurations_alone() -> None:
    infeasible = {cause for cause, policy in POLICIES.items() if policy.infeasible}

    assert infeasible == {"oom", "timeout", "diverged", "error"}


def test_a_trial_waits_longer_after_each_attempt_in_a_row_that_met_a_full_disk() -> None:
    waits = [delay_s("storage", ["storage"] * count) for count in range(5)]

    assert waits == [10.0, 20.0, 40.0, LONGEST_DELAY_S, LONGEST_DELAY_S]
    assert delay_s("storage", ["storage", "storage", "preempted"]) == 10.0
    assert delay_s("storage", ["storage"] * 5000) == LONGEST_DELAY_S
    assert delay_s("lost", ["lost"] * 3) == 0.0
