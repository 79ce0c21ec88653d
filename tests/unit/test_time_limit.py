"""The sampler `bayesian` under a time limit: what trials took foretells what takes too long."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, TrialState

from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.proposing import Proposer
from tuner.samplers.bayesian.stopping.durations import durations
from tuner.samplers.bayesian.stopping.timely import timely
from tuner.samplers.marks import TOOK_ATTR, told_attrs
from tuner.space import SearchSpace
from tuner.surrogate.columns import Columns

UNIT = {"type": "float", "low": 0.0, "high": 1.0}
SPACE = SearchSpace.from_json({"parameters": {"x": UNIT, "y": UNIT}})
LIMIT_S = 600.0


def seconds_of(params: dict[str, Any]) -> float:
    """The limit where x + y is 1, and e times as long where it is a third more."""
    return float(LIMIT_S * math.exp(3.0 * (params["x"] + params["y"] - 1.0)))


class Study:
    """A study as the coordinator keeps it, whose best trials would take the longest."""

    def __init__(self, seed: int, limit_s: float | None = LIMIT_S) -> None:
        self.proposer = Proposer(SPACE, "bayesian", seed, limit_s=limit_s)
        self.in_memory = InMemoryStudy("p/s", ["maximize"], NopPruner())
        self.chance = np.random.default_rng(seed)

    def propose(self) -> dict[str, Any]:
        return self.proposer.propose(self.in_memory).params

    def tell(self, params: dict[str, Any]) -> bool:
        """Run a trial; return whether the limit has ended it."""
        number = self.in_memory.add(self.proposer.encode(params))
        self.proposer.remember(params)
        seconds = seconds_of(params) * math.exp(0.05 * self.chance.normal())
        if seconds > LIMIT_S:
            took = {"seconds": LIMIT_S + 0.4, "reporting": None}
            self.in_memory.tell(number, TrialState.FAIL, [], {}, cause="timeout", took=took)
            return True
        value = params["x"] + params["y"]
        took = {"seconds": seconds, "reporting": None}
        self.in_memory.tell(number, TrialState.COMPLETE, [value], {}, took=took)
        return False

    def run(self, count: int) -> int:
        """Return how many of so many trials the limit has ended."""
        return sum(self.tell(self.propose()) for _ in range(count))

    def best(self) -> float:
        """Return the best value."""
        trials = self.in_memory.snapshot().trials
        return max(t.values[0] for t in trials if t.state == TrialState.COMPLETE)


def test_few_trials_run_into_a_limit_that_what_others_took_foretells() -> None:
    informed, ignorant = (
        [Study(seed, limit_s) for seed in range(2)] for limit_s in (LIMIT_S, None)
    )

    assert sum(study.run(24) for study in informed) <= 0.7 * sum(s.run(24) for s in ignorant)
    # The best that ends in time lies where x + y is 1.
    assert all(study.best() > 0.95 for study in informed)


def test_what_would_take_too_long_is_avoided_before_any_trial_has_failed() -> None:
    sums = []
    for limit_s in (None, LIMIT_S):
        study = Study(1, limit_s)
        for number in range(10):
            x = number / 10
            study.tell({"x": x, "y": 0.9 - x})
            study.tell({"x": x / 2, "y": 0.3})
        sums.append(sum(study.propose().values()))

    # The values rise without end in this direction; the border is at 1.
    assert sums[0] > 1.2
    assert sums[1] < 1.05


def trial(
    number: int,
    state: TrialState,
    took: tuple[float, float | None] | None,
    reports: int = 0,
    cause: str | None = None,
) -> FrozenTrial:
    """Return an ended trial: `took` are its seconds, and those from first to last report."""
    found = None if took is None else {"seconds": took[0], "reporting": took[1]}
    frozen = optuna.trial.create_trial(
        state=state,
        value=0.5 if state == TrialState.COMPLETE else None,
        intermediate_values=dict.fromkeys(range(1, reports + 1), 0.5),
        system_attrs=told_attrs(cause, found),
    )
    frozen.number = number
    return frozen


def known(
    *trials: FrozenTrial, declared: Callable[[FrozenTrial], float | None] = lambda _: None
) -> dict[int, tuple[float, bool]]:
    """Return seconds and whether they are at least so many, by number."""
    found = durations(trials, LIMIT_S, declared)
    seconds = [round(LIMIT_S * math.exp(share), 6) for share in found.shares]
    return dict(
        zip(found.numbers, zip(seconds, map(bool, found.at_least), strict=True), strict=True)
    )


#: 10 s before the first epoch, 20 epochs of 5 s.
WHOLE = trial(0, TrialState.COMPLETE, (110.0, 95.0), 20)


@pytest.mark.parametrize(
    ("stopped", "whole_s"),
    [
        # Of several reports the pace is known: 30 s until then, 16 epochs of 6 s are left.
        (trial(1, TrialState.PRUNED, (30.0, 18.0), 4), 126.0),
        # Of one report it follows from the others' start.
        (trial(1, TrialState.PRUNED, (17.0, None), 1), 150.0),
        # It cannot have taken less than it did.
        (trial(1, TrialState.PRUNED, (8.0, None), 1), 8.0),
        (trial(1, TrialState.PRUNED, (8.0, None), 0), None),
        (trial(1, TrialState.PRUNED, None, 4), None),
    ],
)
def test_a_stopped_trial_counts_with_what_its_whole_would_have_taken(
    stopped: FrozenTrial, whole_s: float | None
) -> None:
    found = known(WHOLE, stopped)

    assert found[0] == (110.0, False)
    assert found.get(1) == (None if whole_s is None else (whole_s, False))


def test_a_stopped_trial_is_as_long_as_its_parameters_declare() -> None:
    stopped = trial(1, TrialState.PRUNED, (30.0, 18.0), 4)

    assert known(WHOLE, stopped, declared=lambda _: 104.0)[1] == (630.0, False)


def test_without_a_whole_trial_a_stopped_one_tells_nothing() -> None:
    assert known(trial(1, TrialState.PRUNED, (30.0, 18.0), 4)) == {}


def test_a_failure_tells_its_duration_only_where_the_limit_was_the_cause() -> None:
    assert known(trial(0, TrialState.PRUNED, (601.0, None), 3, cause="timeout")) == {
        0: (601.0, True)
    }
    # One that a shorter limit has ended, and that is no lesson any more.
    assert known(trial(0, TrialState.FAIL, (300.0, None), 3, cause="timeout")) == {0: (300.0, True)}
    assert known(trial(0, TrialState.PRUNED, (2.0, None), 3, cause="diverged")) == {}
    assert known(trial(0, TrialState.FAIL, None)) == {}


LINE = Columns(("real",), (0,))


def test_a_trial_that_the_limit_ended_counts_with_what_others_expect_there() -> None:
    x = np.linspace(0.0, 1.0, 11)[:, None]
    trials = []
    for number, at in enumerate(x[:, 0]):
        seconds = LIMIT_S * math.exp(3.0 * (at - 0.75))
        cause = "timeout" if seconds > LIMIT_S else None
        state = TrialState.PRUNED if cause else TrialState.COMPLETE
        trials.append(trial(number, state, (min(seconds, LIMIT_S), None), cause=cause))

    found = timely(LINE, x, durations(trials, LIMIT_S, lambda _: None))

    assert found is not None
    assert found.explained == {8, 9, 10}
    mean, std = found.model.predict(np.array([[0.5], [0.7], [0.8], [1.0]]))
    assert ((found.limit - mean) / std > 0).tolist() == [True, True, False, False]
    # Not as if they all took just as long as the limit.
    assert mean[3] > found.limit + std[3] / 2


def test_a_trial_that_hung_where_others_are_quick_says_nothing_of_its_place() -> None:
    x = np.linspace(0.0, 1.0, 12)[:, None]
    trials = [trial(n, TrialState.COMPLETE, (100.0 + n % 3, None)) for n in range(12)]
    trials[5] = trial(5, TrialState.PRUNED, (LIMIT_S, None), cause="timeout")

    found = timely(LINE, x, durations(trials, LIMIT_S, lambda _: None))

    assert found is not None
    assert not found.explained
    mean, std = found.model.predict(x)
    assert ((found.limit - mean) / std > 3).all()


def test_far_from_the_limit_and_without_known_durations_no_model_is_made() -> None:
    x = np.linspace(0.0, 1.0, 8)[:, None]
    quick = [trial(n, TrialState.COMPLETE, (1.0 + n, None)) for n in range(8)]
    late = [trial(n, TrialState.PRUNED, (LIMIT_S, None), cause="timeout") for n in range(8)]

    assert timely(LINE, x, durations(quick, LIMIT_S, lambda _: None)) is None
    assert timely(LINE, x, durations(late, LIMIT_S, lambda _: None)) is None
    assert timely(LINE, x[:0], durations([], LIMIT_S, lambda _: None)) is None


def test_the_attribute_holds_seconds_and_those_from_first_to_last_report() -> None:
    assert told_attrs(None, {"seconds": 2.0, "reporting": None}) == {
        TOOK_ATTR: {"seconds": 2.0, "reporting": None}
    }
