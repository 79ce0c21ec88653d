"""Pruning: the decision comes back with this or the next report, and outlives the server."""

from __future__ import annotations

import math
from typing import Any

import pytest
from optuna.trial import TrialState

from tests.support.protocol_worker import Held
from tests.support.study_lab import Lab

MEDIAN = {"name": "median", "startup_trials": 1, "warmup_steps": 0}
ASHA = {"name": "asha", "min_resource": 1}
HYPERBAND = {"name": "hyperband", "min_resource": 1, "max_resource": 9}


def start(lab: Lab, pruner: dict[str, Any], **changes: Any) -> Held:
    """Submit a study, and complete a first trial with a good curve; return the second one."""
    lab.submit(pruner=pruner, budget={"trials": 3}, **changes)
    good = lab.claim("good")
    for step in (1, 2, 3, 4):
        assert good.report(step, 0.9).json()["order"] == "continue"
    good.complete(0.9)
    return lab.claim("bad")


def orders(held: Held, *values: Any, first_step: int = 1) -> list[str]:
    """Report one value after the other; return what the server wants after each."""
    return [
        str(held.report(step, value).json()["order"])
        for step, value in enumerate(values, start=first_step)
    ]


@pytest.mark.parametrize("pruner", [MEDIAN, ASHA], ids=lambda p: p["name"])
def test_a_hopeless_trial_is_pruned_with_this_or_the_next_report(
    lab: Lab, pruner: dict[str, Any]
) -> None:
    bad = start(lab, pruner)

    assert "prune" in orders(bad, 0.1, 0.1)
    assert bad.beat().json()["order"] == "prune", "the order stands until it is followed"
    answer = bad.pruned()
    assert answer.status_code == 200, answer.text
    answer = answer.json()
    assert (answer["is_outcome"], answer["record"]["outcome"]) == (True, "PRUNED")
    trial = lab.show(1)
    assert (trial["state"], trial["cause"], trial["objective"]) == ("PRUNED", None, 0.1)
    assert lab.status()["budget"]["used"] == 2, "a pruned trial is a trial"
    lab.claim().complete(0.5)
    lab.wait_closed()
    told = lab.optuna_trials()[1]
    assert (told.state, told.value, told.intermediate_values) == (
        TrialState.PRUNED,
        0.1,
        {1: 0.1, 2: 0.1},
    )
    assert lab.status()["best"]["trial"] == 0


@pytest.mark.parametrize("pruner", [MEDIAN, ASHA], ids=lambda p: p["name"])
def test_a_good_trial_is_left_alone(lab: Lab, pruner: dict[str, Any]) -> None:
    better = start(lab, pruner)

    assert orders(better, 0.95, 0.96, 0.97) == ["continue"] * 3


def test_what_an_attempt_reported_does_not_speak_for_one_that_begins_again(lab: Lab) -> None:
    first = start(lab, MEDIAN)
    assert orders(first, 0.95, 0.96, 0.97) == ["continue"] * 3
    first.fail("preempted")
    # The third trial may come before the second attempt of the second one.
    held = {one.trial: one for one in (lab.claim("x"), lab.claim("y"))}
    again, last = held[first.trial], held[2]

    assert "prune" in orders(again, 0.1, 0.1)
    again.pruned()
    last.complete(0.5)
    lab.wait_closed()
    assert lab.optuna_trials()[1].intermediate_values == {1: 0.1, 2: 0.1}


@pytest.mark.parametrize("pruner", [MEDIAN, ASHA], ids=lambda p: p["name"])
def test_pruning_follows_the_goal(lab: Lab, pruner: dict[str, Any]) -> None:
    low = start(lab, pruner, metric={"name": "loss", "goal": "minimize"})

    assert orders(low, 0.1, 0.1) == ["continue", "continue"]


@pytest.mark.parametrize("pruner", [MEDIAN, ASHA], ids=lambda p: p["name"])
def test_a_step_without_a_number_is_skipped(lab: Lab, pruner: dict[str, Any]) -> None:
    bad = start(lab, pruner)

    assert orders(bad, "nan", "inf") == ["continue", "continue"]
    assert "prune" in orders(bad, 0.1, 0.1, "nan", first_step=3)
    answer = bad.pruned()
    assert answer.status_code == 200, answer.text
    record = answer.json()["record"]
    assert (record["outcome"], record["objective"]) == ("PRUNED", 0.1), "the last number"
    lab.claim().complete(0.5)
    lab.wait_closed()
    told = lab.optuna_trials()[1]
    assert told.state == TrialState.PRUNED
    assert math.isnan(told.intermediate_values[1]), "the database holds what was reported"
    assert [row["value"] for row in lab.show(1)["reports"]][:3] == [None, None, 0.1]


@pytest.mark.parametrize("pruner", [MEDIAN, ASHA], ids=lambda p: p["name"])
def test_a_trial_without_any_number_is_never_pruned(lab: Lab, pruner: dict[str, Any]) -> None:
    bad = start(lab, pruner)

    assert orders(bad, "nan", "nan", "nan", "nan") == ["continue"] * 4
    assert bad.complete("nan").json()["record"]["cause"] == "diverged"


def test_first_trials_that_were_all_pruned_without_a_value_pause_the_study(lab: Lab) -> None:
    lab.submit(budget={"trials": 9}, parallel=1)
    for _ in range(3):
        held = lab.claim()
        held.report(1, "nan")
        held.pruned()
    lab.wait(lambda: lab.status()["state"] == "paused", "the study pauses")

    assert lab.status()["reason"].startswith("the first 3 trials were pruned before they reported")
    lab.do("resume")
    lab.claim().complete(0.5)
    assert lab.status()["state"] == "running", "who resumes it means it"


def test_the_first_rung_is_chosen_when_the_first_trial_has_ended_and_is_told(own_lab: Lab) -> None:
    own_lab.submit(pruner="asha", budget={"trials": 20}, history="none", parallel=2)
    bad, good = own_lab.claim("bad"), own_lab.claim("good")
    assert orders(bad, *[0.1] * 30) == ["continue"] * 30, "nothing is stopped before"
    rung = own_lab.status()["pruning"]["first_rung"]
    assert (rung["step"], rung["why"][:14]) == (None, "not chosen yet")
    for step in (1, 26, 52):
        good.report(step, 0.9)
    good.complete(0.9)
    own_lab.wait(lambda: own_lab.events("pruner-rung"), "the rung is chosen")

    (event,) = own_lab.events("pruner-rung")
    assert event["text"].startswith("the first rung is at step 3: 6% of the 52 steps of a training")
    own_lab.service.kill_and_start()
    wait_coordinator(own_lab)
    assert own_lab.status()["pruning"]["first_rung"]["step"] == 3
    assert orders(bad, 0.1, first_step=31) == ["continue"], (
        "it passed the rung before there was one"
    )
    next_one = own_lab.claim()
    assert "prune" in orders(next_one, 0.2, 0.2, 0.05, 0.05)
    next_one.pruned()
    own_lab.wait(lambda: own_lab.status()["pruning"]["stopped"], "it is counted")
    account = own_lab.status()["pruning"]
    assert account["saved"]["epochs"] >= 52 - 4
    assert (account["lost"], account["idle"]) == (None, "")
    assert own_lab.show(next_one.trial)["stop"]["text"].startswith(
        "stopped by asha at step 3, its first rung: 0.05 is 3rd of 3 there"
    )
    assert len(own_lab.events("pruner-rung")) == 1, "said once"


def test_points_that_are_sent_together_are_judged_together(lab: Lab) -> None:
    bad = start(lab, MEDIAN)
    points = [{"step": step, "value": 0.1} for step in (1, 2, 3)]

    answers = [bad.report_points(points).json()["order"] for _ in range(2)]
    assert answers[-1] == "prune"
    assert len(lab.show(1)["reports"]) == 3


def test_without_a_pruner_nothing_is_pruned(lab: Lab) -> None:
    bad = start(lab, {"name": "none"})

    assert orders(bad, 0.1, "nan", "-inf") == ["continue"] * 3


def test_a_trial_may_end_well_although_it_was_to_be_pruned(lab: Lab) -> None:
    bad = start(lab, MEDIAN)
    assert "prune" in orders(bad, 0.1, 0.1)

    assert bad.complete(0.99).json()["record"]["outcome"] == "COMPLETE"
    assert lab.status()["best"]["trial"] == 1


def test_hyperband_prunes_within_its_brackets(lab: Lab) -> None:
    lab.submit(pruner=HYPERBAND, budget={"trials": 20}, parallel=1)
    worker = lab.worker()
    pruned = 0
    for number in range(20):
        held = worker.claim()
        assert held.trial == number
        if "prune" in orders(held, *[1.0 - number / 20] * 9):
            assert held.pruned().status_code == 200
            pruned += 1
        else:
            held.complete(1.0 - number / 20)

    assert 3 < pruned < 20


@pytest.mark.parametrize("pruner", [MEDIAN, ASHA], ids=lambda p: p["name"])
def test_what_pruning_is_based_on_survives_a_restart(own_lab: Lab, pruner: dict[str, Any]) -> None:
    bad = start(own_lab, pruner)
    own_lab.service.kill_and_start()

    wait_coordinator(own_lab)
    assert "prune" in orders(bad, 0.1, 0.1)


def test_an_order_to_prune_survives_a_restart(own_lab: Lab) -> None:
    bad = start(own_lab, ASHA)
    assert "prune" in orders(bad, 0.1, 0.1)
    own_lab.service.kill_and_start()

    assert bad.beat().json()["order"] == "prune"
    assert bad.report(3, 0.1).json()["order"] == "prune"
    assert bad.pruned().json()["record"]["outcome"] == "PRUNED"


def test_the_rungs_of_a_running_trial_survive_a_restart(own_lab: Lab) -> None:
    good = start(own_lab, ASHA)
    assert orders(good, 0.95) == ["continue"]
    own_lab.service.kill_and_start()
    wait_coordinator(own_lab)
    # It has passed the first rung; without that report its second one would be judged there.
    assert orders(good, 0.0, first_step=2) == ["continue"]

    assert "prune" in orders(good, 0.0, 0.0, first_step=3)


def wait_coordinator(lab: Lab) -> None:
    """Wait until the coordinator has read the studies again: it proposes for a new one."""
    other = Lab(lab.service)
    other.submit(budget={"trials": 1})
    other.claim().complete(0.5)
    other.close()
