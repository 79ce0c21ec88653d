"""The reason that a study gives when nothing of it runs, and the reasons for which one pauses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.made_trials import made_trial
from tuner.coordinator.lifecycle.waits import Need, find_reason, is_passing
from tuner.proposals.failure_streaks import FailureStreaks
from tuner.trials.states import TrialState, WorkerState
from tuner.trials.store.fleet import FleetWorker
from tuner.trials.wait_reasons import (
    BUSY,
    ELSEWHERE,
    NO_WORKER,
    NOT_CLAIMING,
    PREPARING,
    STARTING,
    UNHEARD,
)

NOW = 1_800_000_000.0
IMAGE = "team/train@sha256:" + "ab" * 32


def worker(name: str = "w", **facts: Any) -> FleetWorker:
    given = {
        "device": "cpu",
        "gpus": 0,
        "image": None,
        "state": WorkerState.IDLE,
        "unavailable_because": "",
    }
    return FleetWorker(name=name, **{**given, "projects": None, "last_seen": NOW, **facts})


def reason(*fleet: FleetWorker, **need: Any) -> str:
    given = {"device": "cpu", "project": "p", "gpus": 0, "image": None, **need}
    return find_reason(Need(**given), fleet, NOW)


def test_without_workers_the_reason_says_how_to_start_some() -> None:
    assert reason() == NO_WORKER
    assert "tuner workers up" in NO_WORKER


def test_a_missing_device_is_named_with_those_that_are_there() -> None:
    fleet = [worker("a"), worker("b"), worker("c", device="tpu")]

    assert reason(*fleet, device="gpu") == (
        "no gpu worker is there; the workers that are there: cpu (2), tpu (1)"
    )


def test_workers_that_own_another_number_of_gpus_are_told_with_the_command_that_helps() -> None:
    ones = [worker(name, device="gpu", gpus=1) for name in "ab"]
    two = worker("c", device="gpu", gpus=2)

    assert reason(*ones, device="gpu", gpus=4) == (
        "each trial needs 4 GPUs; the workers own 1 each; start some with: "
        "tuner workers up --gpus-per-worker 4"
    )
    assert reason(two, device="gpu", gpus=1) == (
        "each trial needs 1 GPU; the workers own 2; start some with: "
        "tuner workers up --gpus-per-worker 1"
    )
    mixed = reason(*ones, two, device="gpu", gpus=4)
    assert "; the workers own 1 (2), 2 (1); " in mixed
    assert reason(*ones, two, device="gpu", gpus=2) == PREPARING
    assert reason(device="gpu", gpus=4) == f"{NO_WORKER} --gpus-per-worker 4"


def test_an_image_that_no_worker_has_is_named_with_those_that_they_have() -> None:
    other = IMAGE.replace("ab", "cd")
    fleet = [worker("a"), worker("b", image=other), worker("c", image=IMAGE, device="gpu")]

    assert reason(*fleet, image=IMAGE) == (
        "no worker has its image team/train@sha256:abababababab; "
        "the workers have: none (1), team/train@sha256:cdcdcdcdcdcd (1)"
    )
    assert reason(*fleet, image=None) == PREPARING, "without an image any worker will do"


def test_workers_out_of_service_or_leaving_are_named_with_their_reasons() -> None:
    fleet = [
        worker("a", unavailable_because="out of service, no luck"),
        worker(
            "b", unavailable_because="leaves, its release 0.1.0 is older than the server's 0.2.0"
        ),
        worker("other", image=IMAGE, device="gpu"),
    ]
    many = [worker(f"w{n}", unavailable_because="out of service, x") for n in range(5)]

    assert reason(*fleet) == (
        "every worker that could run it takes no trials: a (out of service, no luck); "
        "b (leaves, its release 0.1.0 is older than the server's 0.2.0)"
    )
    assert reason(*many).endswith("w2 (out of service, x); and 2 more")
    assert reason(*many, worker("sound")) == PREPARING


def test_a_retry_that_waits_says_until_when() -> None:
    assert reason(worker(), ready=[NOW + 60, NOW + 8]) == (
        "the next attempt waits until 08:00:08 UTC, after a failure that was not its own"
    )
    assert reason(worker(), ready=[NOW + 60, NOW - 60], offered=1) == NOT_CLAIMING


def test_busy_workers_and_excluded_ones_are_told_apart() -> None:
    assert reason(worker(state=WorkerState.BUSY)) == BUSY
    assert reason(worker(state=WorkerState.BUSY), ready=[0.0]) == BUSY
    assert (
        reason(worker(state=WorkerState.BUSY), worker("idle"), ready=[0.0], offered=0) == ELSEWHERE
    )
    assert (
        reason(worker(state=WorkerState.BUSY), worker("idle"), ready=[0.0], offered=1)
        == NOT_CLAIMING
    )


def test_only_idle_workers_that_were_heard_of_since_are_said_to_pass_a_trial_by() -> None:
    def waits(last_seen: float, *others: FleetWorker) -> str:
        idle = worker(last_seen=last_seen)
        return reason(idle, *others, ready=[NOW - 12.0], offered=1)

    assert waits(NOW - 13.0) == UNHEARD, "it ended before the trial was ready"
    assert waits(NOW - 11.0) == UNHEARD, "it may have heard of it and ended"
    assert waits(NOW - 1.0) == NOT_CLAIMING
    assert waits(NOW - 13.0, worker("alive", last_seen=NOW - 1.0)) == NOT_CLAIMING
    assert waits(NOW - 13.0, worker("busy", state=WorkerState.BUSY)) == UNHEARD


def test_workers_that_still_import_are_said_to_start() -> None:
    assert reason(worker(state=WorkerState.STARTING)) == STARTING
    assert reason(worker(state=WorkerState.STARTING), ready=[0.0], offered=1) == STARTING
    assert (
        reason(worker(state=WorkerState.STARTING), worker("b", state=WorkerState.BUSY), ready=[0.0])
        == STARTING
    )
    assert (
        reason(worker(state=WorkerState.STARTING), worker("b"), ready=[0.0], offered=1)
        == NOT_CLAIMING
    )


def test_workers_whose_tokens_are_for_other_projects_are_counted_and_no_project_is_named() -> None:
    theirs = [worker(name, projects=frozenset({"theirs"})) for name in "ab"]

    assert reason(*theirs, ready=[0.0], offered=1) == (
        "no worker has a token for project p; of the device and image that it needs are 2, "
        "with tokens for other projects"
    )
    assert reason(*theirs, worker("c", projects=frozenset({"p"}))) == PREPARING


def test_a_worker_whose_image_does_not_fit_its_token_is_named_with_that() -> None:
    problem = "gets none, its token is bound to the image a, and it says that it runs b"

    assert reason(worker(unavailable_because=problem), ready=[0.0], offered=1) == (
        f"every worker that could run it takes no trials: w ({problem})"
    )


def test_code_that_is_gone_comes_before_everything_else() -> None:
    assert "submit the study again" in reason(lacks_code=True)


def test_what_passes_by_itself_is_no_event() -> None:
    waits = reason(worker(), ready=[NOW + 8])

    passing = (BUSY, ELSEWHERE, PREPARING, STARTING, UNHEARD, waits)
    assert all(is_passing(text) for text in passing)
    assert not any(is_passing(text) for text in (NO_WORKER, NOT_CLAIMING, "", "log root is full"))


def told(
    streaks: FailureStreaks, *ends: tuple[str, str], first: int = 0, wait: float = 0
) -> list[str]:
    """Tell trials by cause ("" for a complete one) and the last line of their error.

    Each is proposed `wait` seconds after the one before has ended.
    """
    for number, (cause, line) in enumerate(ends, start=first):
        trial = made_trial(
            number,
            TrialState.FAIL if cause else TrialState.COMPLETE,
            cause=cause or None,
            error=f"Traceback\n{line}",
            counted=True,
            created=10.0 * number + wait,
            finished=10.0 * number + 9.0,
        )
        streaks.note(trial)
    return streaks.reasons


@pytest.mark.parametrize("cause", ["oom", "timeout", "diverged", "rejected", "lost"])
def test_three_first_trials_with_the_same_cause_are_alike_whatever_their_words(cause: str) -> None:
    reasons = told(FailureStreaks("p/s"), *((cause, f"tensor {n}") for n in range(3)))

    assert reasons == [f"the first 3 trials failed alike ({cause}): tensor 2"]


def test_errors_are_alike_only_with_the_same_words() -> None:
    assert told(FailureStreaks("p/s"), *(("error", f"KeyError: {n}") for n in range(3))) == []
    assert told(FailureStreaks("p/s"), *[("error", "KeyError: 'x'")] * 3) == [
        "the first 3 trials failed alike (error): KeyError: 'x'"
    ]


@pytest.mark.parametrize("other", ["", "cancelled", "timeout"])
def test_one_other_end_among_the_first_three_is_enough_to_go_on(other: str) -> None:
    assert told(FailureStreaks("p/s"), ("oom", "x"), (other, ""), ("oom", "x"), ("oom", "x")) == []


def test_five_trials_in_a_row_that_do_not_count_are_a_reason_and_five_more_another() -> None:
    streaks = FailureStreaks("p/s")
    four = [("", ""), *[("lost", "gone")] * 4]
    assert told(streaks, *four) == []
    assert told(streaks, ("rejected", "no GPU")) == [
        "5 trials in a row ended without a result that counts; "
        "the last one, trial 0 (rejected): no GPU"
    ]
    assert told(streaks, *[("lost", "gone")] * 4) == streaks.reasons
    assert told(streaks, ("lost", "gone"))[0].startswith("10 trials in a row")


def test_a_trial_that_counts_ends_the_row() -> None:
    four = [("lost", "gone")] * 4

    assert told(FailureStreaks("p/s"), ("", ""), *four, ("error", "KeyError"), *four) == []


BAD = ("error", "ValueError: subtracting 5 from 3")
WORKS = ("", "")


def test_ten_failures_alike_in_a_row_are_a_reason_that_names_the_ways_on() -> None:
    streaks = FailureStreaks("p/s")
    assert told(streaks, WORKS, *[BAD] * 9) == []
    (reason,) = told(streaks, BAD, first=10)

    assert reason == (
        "10 trials in a row failed alike, trial 10 the last (error): "
        "ValueError: subtracting 5 from 3; others worked (1), so a part of the search space may be "
        "bad. Look: tuner show p/s 10; with corrected code: tuner retry p/s --spec SPEC; "
        "continue anyway: tuner resume p/s"
    )


def test_numbers_in_an_error_do_not_make_it_another() -> None:
    ends = [("error", f"ValueError: subtracting {n}.5 from -{n}e-3") for n in range(10)]

    (reason,) = told(FailureStreaks("p/s"), *ends)
    assert "no trial has worked so far, so the code may be broken" in reason


@pytest.mark.parametrize("other", [WORKS, ("error", "KeyError"), ("oom", "")])
def test_another_end_breaks_a_row_of_failures_alike(other: tuple[str, str]) -> None:
    assert told(FailureStreaks("p/s"), WORKS, *[BAD] * 9, other, *[BAD] * 9) == []


def test_what_a_machine_or_the_user_ended_neither_breaks_nor_lengthens_a_row() -> None:
    others = [("cancelled", ""), ("lost", "gone")]

    assert told(FailureStreaks("p/s"), WORKS, *[BAD] * 5, *others, *[BAD] * 4) == []
    assert told(FailureStreaks("p/s"), WORKS, *[BAD] * 5, *others, *[BAD] * 5) != []


def test_each_further_ten_failures_in_a_row_are_a_reason_of_their_own() -> None:
    streaks = FailureStreaks("p/s")
    first = told(streaks, WORKS, *[BAD] * 10)
    assert told(streaks, *[BAD] * 9, first=11) == first
    second = told(streaks, BAD, first=20)
    assert second[0].startswith("20 trials in a row failed alike, trial 20")
    assert told(streaks, WORKS, *[BAD] * 9, first=21) == []
    (third,) = told(streaks, BAD, first=31)
    assert third.startswith("10 trials in a row failed alike, trial 31")
    assert len({*first, *second, third}) == 3


def test_a_first_success_after_a_pause_means_that_something_was_mended() -> None:
    streaks = FailureStreaks("p/s")
    told(streaks, *[BAD] * 3)
    told(streaks, WORKS, first=3)

    assert streaks.mended == {0, 1, 2}


def test_a_region_that_goes_on_to_fail_after_a_pause_was_not_mended() -> None:
    streaks = FailureStreaks("p/s")
    told(streaks, *[BAD] * 4, WORKS)

    assert streaks.mended == set()


def test_a_success_of_a_trial_from_before_the_pause_mends_nothing() -> None:
    streaks = FailureStreaks("p/s")
    told(streaks, *[BAD] * 3)
    told(streaks, WORKS, first=3, wait=-5)

    assert streaks.mended == set()
