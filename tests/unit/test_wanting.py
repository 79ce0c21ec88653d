"""How many workers a study could use, and the reason that it gives."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tuner.service.demand.wanting import MOST_WANTED, StudyDemand, Want, want_of
from tuner.trials.states import OPEN, StudyState

LATER = 1_800_000_008.0


def want(state: StudyState = StudyState.RUNNING, **facts: Any) -> Want:
    return want_of(StudyDemand(state=state, **facts))


@st.composite
def standings(draw: st.DrawFn) -> StudyDemand:
    """A study as the database may show it: what runs or waits was proposed."""
    running, ready, waiting = (draw(st.integers(0, 30)) for _ in range(3))
    optional = st.none() | st.integers(0, 60)
    return StudyDemand(
        state=draw(st.sampled_from(OPEN)),
        running=running,
        ready=ready,
        next_ready=LATER if waiting else None,
        in_flight=running + ready + waiting,
        remaining=draw(optional),
        parallel=draw(st.none() | st.integers(1, 60)),
        untried=draw(optional),
        is_seeking=draw(st.booleans()),
        limit=draw(st.sampled_from(["", "budget.hours: 2 hours are over"])),
        obstacle=draw(st.sampled_from(["", "log root is full"])),
    )


@given(standings())
def test_no_more_workers_are_wanted_than_budget_and_parallel_allow(study: StudyDemand) -> None:
    found = want_of(study)
    started = found.queued + found.fresh

    assert found.running == study.running
    assert found.queued <= study.ready
    assert found.fresh <= MOST_WANTED
    if study.remaining is not None:
        assert found.fresh <= study.remaining
    if study.untried is not None:
        assert found.fresh <= study.untried
    if study.parallel is not None and started:
        assert found.workers <= max(study.parallel, study.running)
    if study.is_seeking:
        assert found.fresh <= 1


@given(standings())
def test_what_runs_nothing_and_may_start_nothing_wants_no_worker(study: StudyDemand) -> None:
    held = study.state is not StudyState.RUNNING or study.limit or study.obstacle
    done = dataclasses.replace(study, running=0, ready=0, remaining=0)

    if held:
        assert want_of(study).workers == study.running
    assert want_of(done).workers == 0


@given(standings(), st.integers(0, 50))
def test_a_larger_budget_never_wants_fewer_workers(study: StudyDemand, more: int) -> None:
    larger = None if study.remaining is None else study.remaining + more

    assert want_of(dataclasses.replace(study, remaining=larger)).workers >= want_of(study).workers
    assert want_of(dataclasses.replace(study, remaining=None)).workers >= want_of(study).workers


@given(standings())
def test_the_reason_says_something_of_every_study(study: StudyDemand) -> None:
    reason = want_of(study).reason

    assert reason
    assert str(want_of(study).running) in reason or study.running in (0, 1)


def test_a_study_that_has_not_begun_wants_workers_although_nothing_waits() -> None:
    assert want(remaining=40, parallel=8) == Want(fresh=8, reason="8 can be proposed (parallel: 8)")
    assert want(remaining=3, parallel=8).reason == "3 can be proposed (budget.trials)"


def test_what_runs_and_what_waits_is_told_apart() -> None:
    found = want(running=2, ready=1, in_flight=3, remaining=10, parallel=6)

    assert (found.running, found.queued, found.fresh, found.workers) == (2, 1, 3, 6)
    assert found.reason == "2 run, 1 is ready, 3 more can be proposed (parallel: 6)"


def test_a_lowered_parallel_wants_no_worker_for_what_is_too_many() -> None:
    found = want(running=2, ready=3, in_flight=5, remaining=10, parallel=2)

    assert found == Want(running=2, reason="2 run; no more at once (parallel: 2)")


def test_the_last_trials_of_a_budget_want_no_further_worker() -> None:
    found = want(running=2, in_flight=2, remaining=0)

    assert found == Want(running=2, reason="2 run; no more can be proposed (budget.trials)")


def test_a_retry_that_waits_wants_its_worker_when_it_is_due() -> None:
    waits = want(in_flight=1, remaining=0, next_ready=LATER)

    assert waits.workers == 0
    assert waits.reason == (
        "an attempt waits until 08:00:08 UTC after a failure; "
        "no more can be proposed (budget.trials)"
    )
    assert want(in_flight=1, ready=1, remaining=0).workers == 1


def test_a_hypermodel_of_which_nothing_is_known_wants_one_worker() -> None:
    first = want(remaining=40, is_seeking=True)

    assert first.workers == 1
    assert first.reason == "1 can be proposed (one trial at a time finds the search space)"
    assert want(remaining=39, is_seeking=True, running=1, in_flight=1).workers == 1


def test_paused_stopping_and_hindered_studies_keep_the_workers_that_run_for_them() -> None:
    assert want(StudyState.PAUSED, why="by the user", remaining=5).reason == "paused (by the user)"
    assert want(StudyState.PAUSED, running=2, in_flight=2).workers == 2
    assert (
        want(StudyState.STOPPING, running=1).reason
        == "1 runs; stopping: it starts no further trial"
    )
    assert want(remaining=5, ready=1, obstacle="log root is full").workers == 0
    assert want(remaining=5, limit="budget.hours: 2 hours are over").workers == 0


def test_a_study_without_a_limit_wants_a_bounded_number() -> None:
    assert want().workers == MOST_WANTED
    assert want(running=10, in_flight=10).workers == MOST_WANTED
    assert want(untried=7).reason == "7 can be proposed (its search space has no more)"
