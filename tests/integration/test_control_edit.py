"""`tuner edit`: what changes of a study while it runs, what that does, and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.protocol_worker import Held
from tests.support.study_lab import Lab

MAY_CHANGE = "may change: pruner, pruner.min_resource, "


def patch(lab: Lab, **changes: Any) -> httpx.Response:
    """Send an edit; keys are written with `__` for the dot."""
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return lab.service.call("PATCH", f"/studies/{lab.study}", {"changes": named})


def edit(lab: Lab, **changes: Any) -> dict[str, Any]:
    """Send an edit that must be taken; return what it has changed, by key."""
    answer = patch(lab, **changes)
    assert answer.status_code == 200, answer.text
    return {c["key"]: (c["old"], c["new"]) for c in answer.json()["changes"]}


def test_an_edit_says_what_it_has_changed_and_is_logged_once(lab: Lab) -> None:
    lab.submit(budget={"trials": 4, "hours": 3})
    first = patch(lab, budget__trials=9, budget__hours="none", parallel=2, trial__timeout="30m")
    again = patch(lab, budget__trials=9, budget__hours="none", parallel=2, trial__timeout="30m")

    assert first.json() == {
        "study": lab.study,
        "state": "running",
        "changes": [
            {"key": "budget.trials", "old": 4, "new": 9},
            {"key": "budget.hours", "old": 3.0, "new": None},
            {"key": "parallel", "old": None, "new": 2},
            {"key": "trial.timeout", "old": None, "new": 1800.0},
        ],
    }
    assert again.json() == {**first.json(), "changes": []}
    (event,) = lab.events("study-edited")
    assert event["text"] == (
        "budget.trials: 4 → 9; budget.hours: 3.0 → none; parallel: none → 2; "
        "trial.timeout: none → 1800.0"
    )
    held = lab.claim()
    assert held.assignment["timeout_s"] == 1800.0
    assert held.assignment["config"]["spec"]["budget"] == {"trials": 9}


def test_events_tell_who_asked(lab: Lab) -> None:
    lab.submit()
    path = f"/studies/{lab.study}"
    named = {"x-tuner-actor": "ada@laptop"}
    lab.service.call("POST", f"{path}/pause", headers=named)
    lab.service.call("PATCH", path, {"changes": {"parallel": 2}}, headers=named)
    odd = {"x-tuner-actor": ("é" + "x" * 500).encode("latin-1")}
    lab.service.call("POST", f"{path}/resume", headers=odd)
    lab.claim().complete(0.5)

    actors = {e["kind"]: e["actor"] for e in lab.service.get(f"{path}/events")}
    assert (actors["study-paused"], actors["study-edited"]) == ("ada@laptop", "ada@laptop")
    assert len(actors["study-running"]) == 120
    assert actors["study-running"].isascii()
    assert actors["study-running"].isprintable()
    assert actors["study-created"] is None, "nobody said who"
    assert actors["trial-complete"] is None, "a worker"


def test_a_raised_budget_reopens_a_finished_study_and_other_edits_do_not(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    worker = lab.worker()
    worker.claim().complete(0.5)
    before = lab.wait_closed()
    edit(lab, priority=3, parallel=1, trial__retries=0)
    assert lab.status() == {**before, "parallel": 1}

    assert patch(lab, budget__trials=2).json()["state"] == "running"
    worker.claim().complete(0.25)
    assert lab.wait_closed()["reason"] == "budget.trials: 2 trials are done"
    assert edit(lab, budget__trials=1) == {"budget.trials": (2, 1)}
    assert lab.status()["reason"] == "budget.trials: 2 trials are done", "it has ended already"


def test_a_budget_lowered_below_what_is_used_ends_the_study(lab: Lab) -> None:
    lab.submit(budget={"trials": 50}, parallel=2)
    first, second = lab.worker(), lab.worker()
    for _ in range(3):
        first.claim().complete(0.5)
    running = second.claim()
    edit(lab, budget__trials=2)
    lab.wait(lambda: lab.status()["state"] == "stopping", "it stops")

    assert first.finds_nothing()
    assert running.complete(0.25).json()["is_outcome"] is True, "what runs may finish"
    status = lab.wait_closed()
    assert (status["reason"], status["budget"]["used"]) == ("budget.trials: 2 trials are done", 4)


def test_a_lowered_parallel_starts_nothing_until_enough_have_ended(lab: Lab) -> None:
    lab.submit(budget={"trials": 20}, parallel=4)
    workers = [lab.worker() for _ in range(4)]
    held = [worker.claim() for worker in workers]
    edit(lab, parallel=1)
    for one in held[:3]:
        assert one.complete(0.5).status_code == 200
        assert one.worker.finds_nothing(0.1)
        assert lab.status()["counts"]["running"] == 4 - 1 - held.index(one)
    held[3].complete(0.5)

    only = workers[0].claim()
    assert all(worker.finds_nothing(0.1) for worker in workers[1:])
    edit(lab, parallel="none")
    assert [worker.claim().trial != only.trial for worker in workers[1:]] == [True] * 3


def test_a_lowered_parallel_holds_back_trials_that_were_ready_too(lab: Lab) -> None:
    lab.submit(budget={"trials": 20}, parallel=4)
    workers = [lab.worker() for _ in range(4)]
    held = [worker.claim() for worker in workers]
    lab.do("pause")
    for one in held:
        assert one.fail("preempted").status_code == 200
    edit(lab, parallel=1)
    lab.do("resume")

    running = workers[0].claim()
    assert all(worker.finds_nothing(0.1) for worker in workers[1:])
    # What is held back is no offer: another study gets the free workers.
    other = Lab(lab.service)
    other.image, shared = lab.image, other.submit(image=lab.image)
    assert shared["created"] is True
    assert workers[1].claim().assignment["study"] == other.study
    other.close()
    running.complete(0.5)
    assert workers[2].claim().assignment["study"] == lab.study


def test_a_changed_pruner_judges_trials_that_run_already(lab: Lab) -> None:
    lab.submit(budget={"trials": 20}, parallel=2)
    good, bad = lab.claim(), lab.claim()
    good.report_points([{"step": step, "value": 0.9} for step in range(1, 500)])
    for step in range(1, 4):
        assert bad.report(step, 0.1).json()["order"] == "continue"
    good.complete(0.9)
    change = {"name": "median", "startup_trials": 1, "warmup_steps": 2}
    assert edit(lab, pruner=change) == {
        "pruner.name": ("none", "median"),
        "pruner.startup_trials": (None, 1),
        "pruner.warmup_steps": (None, 2),
    }

    def is_pruned(step: list[int] = [3]) -> bool:  # noqa: B006 - counts the steps
        step[0] += 1
        return bool(bad.report(step[0], 0.1).json()["order"] == "prune")

    lab.wait(is_pruned, "the new pruner ends it")
    assert edit(lab, pruner="none")["pruner.name"] == ("median", "none")
    again = lab.claim()
    again.report(1, 0.0)
    assert [again.report(step, 0.0).json()["order"] for step in (4, 5)] == ["continue"] * 2


def test_a_changed_priority_changes_the_share_at_once(lab: Lab) -> None:
    other = Lab(lab.service)
    other.submit(image=lab.image, budget={"trials": 50})
    lab.submit(budget={"trials": 50})
    workers = [lab.worker() for _ in range(10)]
    shares = [share(lab, [worker.claim() for worker in workers[:4]])]
    edit(lab, priority=2)
    shares.append(share(lab, [worker.claim() for worker in workers[4:]]))
    other.close()

    assert shares == [2, 6], "4 to 1 over all ten: eight, of which it had two"


def share(lab: Lab, held: list[Held]) -> int:
    """Return how many of the trials are the study's."""
    return sum(one.assignment["study"] == lab.study for one in held)


def test_every_problem_of_an_edit_is_said_at_once_and_nothing_is_changed(lab: Lab) -> None:
    lab.submit()
    answer = patch(
        lab,
        parallel=3,
        budget__trials="many",
        budget__trails=9,
        priority=1000,
        trial__retries="none",
        metric={"name": "loss", "goal": "minimize"},
        search_space__x=1,
        pruner={"name": "asha", "patience": 3},
    )

    assert answer.status_code == 422
    lines = answer.json()["detail"].splitlines()
    starts = [
        'budget.trials: "many": a whole number from 1',
        'budget.trails: unknown key: did you mean "budget.trials"?',
        "priority: 1000: a whole number from -100 to 100",
        'trial.retries: "none": a whole number from 0 to 100',
        "metric: may not change",
        "search_space.x: may not change",
        "pruner.patience: unknown key",
        MAY_CHANGE,
    ]
    for start in starts:
        assert sum(line.startswith(start) for line in lines) == 1, (start, lines)
    assert len(lines) == len(starts)
    assert (lab.status()["parallel"], lab.events("study-edited")) == (None, [])


@pytest.mark.parametrize("body", [{}, {"changes": []}, {"parallel": 3}, [], {"changes": {"": 1}}])
def test_an_edit_that_is_none_is_refused(lab: Lab, body: Any) -> None:
    lab.submit()
    answer = lab.service.call("PATCH", f"/studies/{lab.study}", json=body)

    assert answer.status_code == 422
    assert lab.events("study-edited") == []


def test_the_last_limit_cannot_be_removed(lab: Lab) -> None:
    lab.submit(budget={"trials": 4})
    answer = patch(lab, budget__trials="none")

    assert answer.status_code == 422
    assert "at least one of trials, hours, target, patience" in answer.json()["detail"]
    assert edit(lab, budget__trials=None, budget__hours=2) == {
        "budget.trials": (4, None),
        "budget.hours": (None, 2.0),
    }


def test_a_cancelled_study_is_not_edited(lab: Lab) -> None:
    lab.submit()
    lab.do("cancel")

    assert patch(lab, budget__trials=100).status_code == 409
    assert lab.wait_closed()["state"] == "cancelled"


def test_an_edit_does_not_undo_a_stop(lab: Lab) -> None:
    lab.submit(budget={"trials": 10})
    running = lab.claim()
    lab.do("stop")
    edit(lab, parallel=2, priority=1)
    assert lab.status()["state"] == "stopping"

    running.complete(0.5)
    assert lab.wait_closed()["reason"] == "stopped by the user"
    assert patch(lab, budget__trials=11).json()["state"] == "running"
    assert lab.claim().trial > 0, "a larger budget lets it go on"
