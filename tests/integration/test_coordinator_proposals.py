"""What is proposed: valid, allowed, new, in the order that the user asked for."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from tests.support.protocol_worker import Held
from tests.support.spaces import MIXED, finite
from tests.support.study_lab import Lab
from tuner.space import SearchSpace

#: What is proposed does not depend on the database; `test_coordinator_restarts.py` has both.
pytestmark = pytest.mark.parametrize("service", ["sqlite"], indirect=True)

TREE = MIXED | {"model.layers": {"type": "int", "low": 1, "high": 2}}
#: Half of the combinations of the two parameters are forbidden.
FORBID = [
    {"train.optimizer": "sgd", "model.layers": 2},
    {"train.optimizer": "adam", "model.layers": 1},
]
FINITE = finite()
#: a=x: 3 times 2, a=y: 2, less the forbidden one.
ALLOWED = 7
HAS_TORCH = importlib.util.find_spec("torch") is not None
SAMPLERS = ["bayesian", "tpe", "random", "qmc", "nsga2", *(["gp"] if HAS_TORCH else [])]


def objective(held: Held) -> float:
    return float(len(str(held.params)) + held.params.get("train.rate", 0.0))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_sampler_proposes_what_is_forbidden_or_was_tried(lab: Lab, sampler: str) -> None:
    lab.submit(
        search_space=TREE,
        forbid=FORBID,
        sampler={"name": sampler, "seed": 3},
        budget={"trials": 25},
    )
    tried = [held.params for held in lab.run(lab.worker(), objective)]

    space = SearchSpace.from_json({"parameters": TREE, "forbid": FORBID})
    assert [space.problems(params) for params in tried] == [[]] * 25
    assert not any(space.is_forbidden(params) for params in tried)
    assert len({space.key(params) for params in tried}) == 25
    assert lab.status()["reason"] == "budget.trials: 25 trials are done"


@pytest.mark.parametrize("sampler", ["grid", *SAMPLERS])
def test_a_finite_space_is_tried_completely_and_ends_the_study(lab: Lab, sampler: str) -> None:
    lab.submit(
        search_space=FINITE,
        forbid=[{"a": "y", "c": True}],
        sampler={"name": sampler, "seed": 3},
        budget={"trials": 100},
    )
    tried = lab.run(lab.worker(), lambda _: 0.5)

    assert len({str(sorted(held.params.items())) for held in tried}) == ALLOWED == len(tried)
    status = lab.status()
    assert status["state"] == "finished"
    assert status["reason"].startswith("search space exhausted: all 7 configurations")


def test_an_exhausted_study_lets_its_last_trials_finish(lab: Lab) -> None:
    lab.submit(search_space={"c": {"type": "bool"}}, budget={"trials": 10})
    held = [lab.claim(), lab.claim()]
    assert lab.worker().finds_nothing()
    assert lab.status()["state"] == "running"
    for one in held:
        one.complete(0.5)

    assert lab.wait_closed()["counts"]["complete"] == 2


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_configurations_to_start_with_come_first_and_in_order(lab: Lab, sampler: str) -> None:
    whole = {
        "train.rate": 0.01,
        "train.batch": 32,
        "train.optimizer": "adam",
        "model.layers": 2,
        "model.norm": True,
    }
    start: list[dict[str, Any]] = [
        whole,
        {"train.optimizer": "sgd", "train.momentum": 0.5},
        {"train.rate": 0.125},
    ]
    lab.submit(
        search_space=TREE,
        forbid=FORBID,
        start_with=start,
        sampler={"name": sampler, "seed": 3},
        budget={"trials": 5},
        parallel=1,
    )
    tried = [held.params for held in lab.run(lab.worker(), objective)]

    assert tried[0] == {**whole, "model.activation": "relu"}
    assert [start[n].items() <= tried[n].items() for n in range(3)] == [True] * 3
    space = SearchSpace.from_json({"parameters": TREE, "forbid": FORBID})
    assert [space.problems(params) for params in tried] == [[]] * 5


def test_every_worker_gets_one_of_the_configurations_to_start_with(lab: Lab) -> None:
    start = [{"x": n / 8} for n in range(4)]
    lab.submit(start_with=start, budget={"trials": 4})
    workers = [lab.worker() for _ in range(4)]
    for worker in workers:
        worker.beat()

    assert sorted(worker.claim().params["x"] for worker in workers) == [n / 8 for n in range(4)]


def test_the_same_record_is_the_same_proposal(lab: Lab) -> None:
    other = Lab(lab.service)
    tried = []
    for study in (lab, other):
        study.submit(
            search_space=TREE,
            sampler={"name": "tpe", "seed": 11},
            budget={"trials": 15},
            parallel=1,
        )
        tried.append([held.params for held in study.run(study.worker(), objective)])
    records = [[study.show(n)["proposal"] for n in range(15)] for study in (lab, other)]
    # A sampler that takes longer than it may is passed over, or what it chose comes one trial
    # later; all that follows is conditioned on that. The record says so, up to there it is alike.
    alike = [one == two for one, two in zip(*records, strict=True)]
    same = [*alike, False].index(False)

    other.close()
    assert tried[0][:same] == tried[1][:same]
    assert same == 15 or records[0][same] != records[1][same]


def test_a_trial_tells_what_its_proposal_was_conditioned_on(lab: Lab) -> None:
    lab.submit(parallel=2)
    first, second = lab.claim(), lab.claim()
    first.complete(0.5)
    third = lab.claim()
    proposal = lab.show(third.trial)["proposal"]

    assert second.trial == 1
    assert (proposal["told"], proposal["pending"]) == (1, [1])
    assert proposal["sampler"] == "random"
    assert isinstance(proposal["seed"], int)
    assert third.assignment["config"]["proposal"] == proposal
