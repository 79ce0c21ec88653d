"""Trials and attempts: one outcome each, whoever dies; budgets, retries, turns and leases."""

from tests.mutants.mutant import Mutant

_ATTEMPTS = "tests/integration/test_coordinator_attempts.py::"
_BUDGET = "tests/integration/test_coordinator_budget.py::"
_LEASES = "tests/integration/test_coordinator_leases.py::"
_REPEATS = "tests/integration/test_coordinator_repeats.py::"

MUTANTS = (
    Mutant(
        name="finish-overwrites",
        promise="A trial's first result counts, and another one of its attempt changes nothing.",
        file="tuner/service/workers/finishing.py",
        old="elif attempt.finish_digest != digest:",
        new="elif not digest:",
        tests=(
            f"{_REPEATS}test_another_finish_of_the_same_attempt_is_refused_and_changes_nothing",
        ),
    ),
    Mutant(
        name="finish-counts-again",
        promise="A finish that is repeated gets the same answer.",
        file="tuner/service/workers/finishing.py",
        old="is_new = attempt.finish_digest is None",
        new="is_new = True",
        tests=(f"{_REPEATS}test_a_finish_whose_answer_was_lost_is_given_the_same_answer",),
    ),
    Mutant(
        name="two-outcomes",
        promise="Of two results of one trial exactly one is its outcome.",
        file="tuner/service/workers/finishing.py",
        old="if trial.state.is_ended:",
        new="if trial.state is None:",
        tests=(f"{_ATTEMPTS}test_once_there_is_an_outcome_the_lost_attempt_is_refused",),
    ),
    Mutant(
        name="report-stored-twice",
        promise="A report that is sent again is stored once.",
        file="tuner/trials/store/reports.py",
        old="postgresql.insert(_r).on_conflict_do_nothing()",
        new="postgresql.insert(_r)",
        tests=(f"{_REPEATS}test_a_report_whose_answer_was_lost_is_stored_once",),
    ),
    Mutant(
        name="token-of-another-attempt",
        promise="The token of one attempt is no use for another.",
        file="tuner/trials/store/attempts.py",
        old="row.token != token or",
        new="not token or",
        tests=(
            "tests/integration/test_coordinator_refusals.py::"
            "test_the_token_of_one_attempt_is_no_use_for_another",
        ),
    ),
    Mutant(
        name="beat-keeps-nothing",
        promise="Beats and reports both keep a worker's attempt.",
        file="tuner/service/workers/reporting.py",
        old="lease_until=now + LEASE_S,",
        new="lease_until=attempt.lease_until,",
        tests=(f"{_ATTEMPTS}test_beats_and_reports_both_keep_an_attempt",),
    ),
    Mutant(
        name="lost-attempt-returns",
        promise="A lost attempt is not taken back once its successor was begun.",
        file="tuner/service/workers/reporting.py",
        old="if any(state not in (AttemptState.READY, AttemptState.REVOKED) for state in states):",
        new="if not states:",
        tests=(f"{_ATTEMPTS}test_a_beat_of_a_lost_attempt_does_not_disturb_its_successor",),
    ),
    Mutant(
        name="lost-answer-costs-a-lease",
        promise="A claim whose answer was lost costs nothing.",
        file="tuner/trials/ending/abandoned.py",
        old='(sign == "claim" and not held.heard)',
        new="False",
        tests=(f"{_LEASES}test_a_claim_whose_answer_was_lost_for_good_costs_nothing",),
    ),
    Mutant(
        name="given-back-for-ever",
        promise="A trial is not given back for nothing for ever.",
        file="tuner/trials/ending/abandoned.py",
        old="MAX_GIVEN_BACK = 5",
        new="MAX_GIVEN_BACK = 500",
        tests=(f"{_LEASES}test_a_trial_is_not_given_back_for_nothing_for_ever",),
    ),
    Mutant(
        name="old-leader-writes",
        promise="A coordinator that has lost the lead writes nothing.",
        file="tuner/coordinator/leadership.py",
        old="if row is None or row.holder != self.holder or row.epoch != self.epoch:",
        new="if row is None:",
        tests=(
            "tests/integration/test_coordinator_leaders.py::"
            "test_a_leader_that_loads_for_long_is_not_replaced",
        ),
    ),
    Mutant(
        name="trials-beyond-the-budget",
        promise="The number of trials is exact, however many workers there are.",
        file="tuner/coordinator/studies/study_run.py",
        old="- self.used - self.in_flight",
        new="- self.used",
        tests=(f"{_BUDGET}test_the_number_of_trials_is_exact_with_more_workers_than_trials_left",),
    ),
    Mutant(
        name="hours-begin-anew",
        promise="Hours that were used survive a restart.",
        file="tuner/trials/store/studies.py",
        old="_s.c.running_since + (now - since)), else_=now)",
        new="now), else_=now)",
        tests=(f"{_BUDGET}test_hours_that_were_used_survive_a_restart",),
    ),
    Mutant(
        name="pauses-cost-hours",
        promise="Hours stand still during a pause.",
        file="tuner/trials/timing.py",
        old="(max(0.0, now - since) if since is not None else 0.0)",
        new="max(0.0, now - (since or 0.0))",
        tests=(f"{_BUDGET}test_hours_stand_still_during_a_pause",),
    ),
    Mutant(
        name="target-the-wrong-way",
        promise="A study ends when its target is reached.",
        file="tuner/coordinator/lifecycle/limits.py",
        old='if goal == "maximize" else',
        new='if goal != "maximize" else',
        tests=(f"{_BUDGET}test_a_target_that_is_reached_ends_the_study",),
    ),
    Mutant(
        name="nan-is-the-best",
        promise="A result that is not a number is a failure, and never the best.",
        file="tuner/service/workers/finishing.py",
        old="if not all(map(math.isfinite, values)):",
        new="if not values:",
        tests=(
            "tests/integration/test_coordinator_causes.py::"
            "test_a_non_finite_objective_is_a_failure_and_never_the_best",
        ),
    ),
    Mutant(
        name="preemption-uses-retries",
        promise="A preempted trial runs again for nothing, as often as it takes.",
        file="tuner/trials/causes.py",
        old='"preempted": CausePolicy(again="always"',
        new='"preempted": CausePolicy(again="retries"',
        tests=("tests/unit/test_causes.py",),
    ),
    Mutant(
        name="one-retry-too-many",
        promise="A trial is run again as often as its study allows, and not once more.",
        file="tuner/trials/causes.py",
        old="return used < retries",
        new="return used <= retries",
        tests=("tests/unit/test_causes.py",),
    ),
    Mutant(
        name="memory-is-tried-for-ever",
        promise="A trial that ran out of memory gets one more chance.",
        file="tuner/trials/causes.py",
        old="return cause not in earlier",
        new="return True",
        tests=("tests/unit/test_causes.py",),
    ),
    Mutant(
        name="preemption-uses-the-budget",
        promise="A trial that was preempted does not count in the budget.",
        file="tuner/trials/causes.py",
        old='"preempted": CausePolicy(again="always", counted=False',
        new='"preempted": CausePolicy(again="always", counted=True',
        tests=("tests/unit/test_causes.py",),
    ),
    Mutant(
        name="full-disk-without-pause",
        promise="A trial waits longer after each attempt in a row that met a full disk.",
        file="tuner/trials/causes.py",
        old="* 2.0 ** min(in_a_row, 10)",
        new="* 1.0 ** min(in_a_row, 10)",
        tests=("tests/unit/test_causes.py",),
    ),
    Mutant(
        name="priority-is-nothing",
        promise="A study of a higher priority has the larger share of the workers.",
        file="tuner/trials/fair_share.py",
        old="2.0**self.priority",
        new="1.0**self.priority",
        tests=("tests/unit/test_turns.py",),
    ),
    Mutant(
        name="late-study-takes-all",
        promise="A study that comes later has nothing to make up for.",
        file="tuner/trials/fair_share.py",
        old="self._moved.get(study, least)",
        new="self._moved.get(study, 0.0)",
        tests=("tests/unit/test_turns.py",),
    ),
)
