"""A configuration that is to blame for its failure teaches the sampler, also after a restart."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, TrialState

from tests.support.spaces import OPTIMIZER
from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.proposing import Proposer
from tuner.proposals.pruners.making import make_pruner
from tuner.protocol import Cause
from tuner.registry import PRUNERS, SAMPLERS
from tuner.space import SearchSpace
from tuner.storage import open_storage, optuna_rows
from tuner.storage.database import open_optuna
from tuner.trials.causes import CAUSE_ATTR, POLICIES

#: The score grows with the rate, up to where the training diverges.
SPACE = {
    "parameters": {
        "train.rate": {"type": "float", "low": 1e-5, "high": 1.0, "log": True},
        "model.units": {"type": "int", "low": 1, "high": 1000},
    }
}
TREE = {"parameters": {**OPTIMIZER, **SPACE["parameters"]}}
FINITE = {
    "parameters": {
        "train.rate": {"type": "ordinal", "values": [1e-4, 1e-3, 1e-2, 1e-1]},
        "model.units": {"type": "int", "low": 1, "high": 4},
    }
}
INFEASIBLE: list[Cause] = [cause for cause, policy in POLICIES.items() if policy.infeasible]
#: Trials that are chosen at random before TPE models anything.
STARTUP = 10


def height(params: dict[str, Any]) -> float:
    """Return how far up the range the rate is, from 0 to 1."""
    return (math.log10(params["train.rate"]) + 5) / 5


def score(params: dict[str, Any]) -> float:
    return height(params) - (params["model.units"] / 1000 - 0.5) ** 2


class Study:
    """A study as the coordinator keeps it, without the database: asked and told one by one."""

    def __init__(
        self,
        sampler: str,
        seed: int,
        *,
        space: dict[str, Any] | None = None,
        pruner: str = "none",
        goals: int = 1,
        cause: str = "diverged",
        border: float = 0.5,
    ) -> None:
        self.proposer = Proposer(SearchSpace.from_json(space or SPACE), sampler, seed)
        pruning = make_pruner(pruner, {}) if pruner != "none" else NopPruner()
        self.in_memory = InMemoryStudy("p/s", ["maximize"] * goals, pruning)
        self.goals = goals
        self.cause = cause
        self.border = border
        self.params: list[dict[str, Any]] = []
        #: What the sampler has left on the newest trial.
        self.drawn: dict[str, Any] = {}

    def is_bad(self, params: dict[str, Any]) -> bool:
        return height(params) > self.border

    def run(self, count: int) -> list[dict[str, Any]]:
        """Run `count` trials; return what was proposed for them."""
        return [self.step() for _ in range(count)]

    def propose(self) -> tuple[dict[str, Any], int]:
        """Add the next trial; return its parameters and number."""
        proposal = self.proposer.propose(self.in_memory)
        self.drawn = dict(proposal.trial_attrs)
        self.in_memory.load_study_attrs(proposal.study_attrs)
        encoded = self.proposer.encode(proposal.params)
        return proposal.params, self.in_memory.add(encoded, proposal.trial_attrs)

    def step(self) -> dict[str, Any]:
        params, number = self.propose()
        self.proposer.remember(params)
        self.params.append(params)
        if self.is_bad(params):
            self.in_memory.report(number, 1, 0.5)
            self.in_memory.report(number, 2, math.nan)
            curve = {1: 0.5, 2: math.nan}
            self.in_memory.tell(number, TrialState.FAIL, [], curve, cause=self.cause)
        else:
            values = [score(params)] * self.goals
            self.in_memory.report(number, 1, values[0])
            self.in_memory.tell(number, TrialState.COMPLETE, values, {1: values[0]})
        return params

    def bad_ones(self, count: int) -> int:
        """Return how many of the trials after the random ones failed."""
        return sum(self.is_bad(params) for params in self.run(count)[STARTUP:])


def mean_of_bad(make: Callable[[int], Study]) -> float:
    return statistics.mean(make(seed).bad_ones(STARTUP + 30) for seed in range(5))


@pytest.mark.parametrize("space", [SPACE, TREE], ids=["flat", "conditional"])
def test_tpe_keeps_away_from_where_trials_diverge(space: dict[str, Any]) -> None:
    skipped = mean_of_bad(lambda seed: Study("tpe", seed, space=space, cause="cancelled"))
    avoided = mean_of_bad(lambda seed: Study("tpe", seed, space=space))

    # Without the lesson, nearly every proposal lies behind the border, where the score would rise.
    assert skipped > 20
    assert avoided < 0.7 * skipped


def test_tpe_keeps_away_with_several_metrics_too() -> None:
    skipped = mean_of_bad(lambda seed: Study("tpe", seed, goals=2, cause="cancelled"))
    avoided = mean_of_bad(lambda seed: Study("tpe", seed, goals=2))

    assert avoided < 0.7 * skipped


def test_a_study_whose_first_trials_all_fail_finds_the_corner_that_works() -> None:
    skipped = mean_of_bad(lambda seed: Study("tpe", seed, border=0.1, cause="cancelled"))
    avoided = mean_of_bad(lambda seed: Study("tpe", seed, border=0.1))

    assert avoided < skipped - 3


@pytest.mark.parametrize("cause", sorted(set(POLICIES) - {"lost", "preempted"}))
def test_only_causes_that_speak_against_the_configuration_are_avoided(cause: Cause) -> None:
    study = Study("tpe", 7, cause=cause, border=-1.0)
    study.run(3)

    trials = study.in_memory.study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    assert len(trials) == (3 if cause in INFEASIBLE else 0)
    assert (study.in_memory.told, study.in_memory.pending()) == (3, [])


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS.built_in) - {"gp"}))
@pytest.mark.parametrize("goals", [1, 2])
def test_no_sampler_is_disturbed_by_infeasible_trials(sampler: str, goals: int) -> None:
    study = Study(sampler, 7, space=FINITE if sampler == "grid" else TREE, goals=goals)
    if sampler == "grid":
        study.is_bad = lambda params: params["train.rate"] > 1e-3  # type: ignore[method-assign]
    found = study.run(16)

    keys = {study.proposer.space.key(params) for params in found}
    assert len(keys) == 16
    assert all(not study.proposer.space.problems(params) for params in found)


@pytest.mark.parametrize("pruner", sorted(PRUNERS.built_in))
def test_no_pruner_compares_with_an_infeasible_trial(pruner: str) -> None:
    verdicts = []
    for cause in ("cancelled", "diverged"):
        study = Study("random", 7, pruner=pruner, cause=cause)
        study.run(12)
        _, number = study.propose()
        verdicts.append([study.in_memory.report(number, step, 0.1 / step) for step in range(1, 10)])

    assert verdicts[0] == verdicts[1]


class Stored(Study):
    """A study whose trials are in a database as well, as the coordinator writes them."""

    def __init__(self, url: str, *facts: Any, **changes: Any) -> None:
        super().__init__(*facts, **changes)
        self.url = url
        self.storage = open_storage(url, create=True)
        with self.storage.begin() as connection:
            self.id = optuna_rows.insert_study(connection, "p/s", ["maximize"])

    def step(self) -> dict[str, Any]:
        number = len(self.in_memory)
        params = super().step()
        now = time.time()
        with self.storage.begin() as connection:
            trial = optuna_rows.insert_trial(
                connection,
                self.id,
                number,
                params=self.proposer.encode(params),
                system_attrs=self.drawn,
                started=now,
            )
            failed = self.is_bad(params)
            optuna_rows.finish_trial(
                connection,
                trial,
                study_id=self.id,
                number=number,
                state=TrialState.FAIL if failed else TrialState.COMPLETE,
                values=[] if failed else [score(params)],
                intermediate={},
                finished=now,
            )
            if failed:
                optuna_rows.set_trial_attrs(connection, trial, {CAUSE_ATTR: self.cause})
        return params

    def stored(self) -> list[FrozenTrial]:
        optuna_storage = open_optuna(self.url)
        try:
            return optuna_storage.get_all_trials(self.id)
        finally:
            optuna_storage.remove_session()
            optuna_storage.engine.dispose()

    def restart(self) -> None:
        """Forget everything, and read it from the database again."""
        fresh = Study(self.proposer.sampler, self.proposer.study_seed, border=self.border)
        fresh.in_memory.load_study_attrs(self.in_memory.study_attrs())
        for number, trial in enumerate(self.stored()):
            fresh.in_memory.load_trial(number, trial)
            fresh.proposer.remember(self.params[number])
        self.in_memory, self.proposer = fresh.in_memory, fresh.proposer

    def close(self) -> None:
        with self.storage.begin() as connection:
            optuna_rows.delete_study(connection, self.id, "p/s")
        self.storage.close()


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "nsga2"])
def test_a_restart_in_between_changes_no_proposal_and_the_database_says_fail(
    lasting_url: str, sampler: str
) -> None:
    straight = Study(sampler, 7)
    expected = straight.run(24)
    study = Stored(lasting_url, sampler, 7)
    study.run(15)
    study.restart()
    study.run(9)
    stored = study.stored()
    study.close()

    assert study.params == expected
    bad = [study.is_bad(params) for params in expected]
    assert any(bad[:15])
    assert [trial.state == TrialState.FAIL for trial in stored] == bad
    assert [trial.system_attrs.get(CAUSE_ATTR) == "diverged" for trial in stored] == bad
    assert not any(trial.constraints for trial in stored)
