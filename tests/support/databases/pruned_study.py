"""A study in memory whose pruner judges reports as the coordinator has it do."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.pruners import BasePruner
from typing_extensions import override

from tuner.proposals.frozen import STATES, freeze
from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.proposing import Proposer
from tuner.proposals.pruners.first_rung import FirstRung
from tuner.proposals.pruners.halving import HalvingPruner
from tuner.proposals.pruners.making import make_pruner
from tuner.proposals.pruners.marks import HALVED
from tuner.space import SearchSpace
from tuner.trials.states import TrialState

SPACE = SearchSpace.from_json({"parameters": {"x": {"type": "float", "low": 0.0, "high": 1.0}}})
NAN = math.nan


class JudgedStudy:
    """A study whose trials report values step by step.

    Args:
        pruner: judges the reports.
    """

    def __init__(self, pruner: BasePruner) -> None:
        self.pruner = pruner
        self.proposer = Proposer(SPACE, "random", 0)
        self.in_memory = InMemoryStudy("p/s", ["minimize"], pruner)
        self.curves: dict[int, dict[int, float]] = {}
        self.ended: dict[int, tuple[str, list[float]]] = {}
        self.orders: list[tuple[int, int, bool]] = []

    def add(self) -> int:
        return self.in_memory.add(self.proposer.encode({"x": 0.5}))

    def report(self, number: int, step: int, value: float) -> bool:
        self.curves.setdefault(number, {})[step] = value
        prunes = self.in_memory.report(number, step, value)
        self.orders.append((number, step, prunes))
        return prunes

    def end(self, number: int, state: str, *values: float) -> None:
        self.ended[number] = (state, list(values))
        told = STATES[TrialState(state)]
        self.in_memory.tell(number, told, list(values), self.curves.get(number, {}))

    def load(self, before: JudgedStudy) -> None:
        """Load what is stored of a study, as another coordinator does."""
        for number in range(len(before.in_memory)):
            state, values = before.ended.get(number, (None, []))
            frozen = freeze(
                self.proposer,
                {"x": 0.5},
                state=None if state is None else TrialState(state),
                values=values,
                attrs=copy.deepcopy(before.in_memory.trial_attrs(number)),
                curve=before.curves.get(number, {}),
            )
            self.in_memory.load_trial(number, frozen)
        self.curves, self.ended = copy.deepcopy(before.curves), dict(before.ended)
        self.orders = list(before.orders)


class Study(JudgedStudy):
    """A study with a pruner of a spec; its first rung is kept as the loop does."""

    def __init__(self, pruner: str = "asha", **options: Any) -> None:
        super().__init__(make_pruner(pruner, options))
        self.options = {"pruner": pruner, **options}
        self.decided: list[FirstRung] = []

    @property
    def rung(self) -> FirstRung | None:
        assert isinstance(self.pruner, HalvingPruner)
        return self.pruner.rung

    @override
    def end(self, number: int, state: str, *values: float) -> None:
        super().end(number, state, *values)
        self.settle()

    def settle(self) -> None:
        if isinstance(self.pruner, HalvingPruner):
            decision = self.pruner.decide(self.in_memory.study)
            if decision is not None:
                self.decided.append(decision)
                self.pruner.take(decision)

    def train(self, curve: Mapping[int, float]) -> str:
        """Run one trial on a curve; return its state."""
        number = self.add()
        for step, value in curve.items():
            if self.report(number, step, value) and step < max(curve):
                self.end(number, "pruned", value)
                return "pruned"
        self.end(number, "complete", curve[max(curve)])
        return "complete"

    def mark(self, number: int) -> Any:
        return self.in_memory.trial_attrs(number).get(HALVED)

    def restarted(self) -> Study:
        """Return the study as another coordinator builds it from what is stored."""
        options = dict(self.options)
        other = Study(options.pop("pruner"), **options)
        if self.decided and isinstance(other.pruner, HalvingPruner):
            other.pruner.take(FirstRung(**self.decided[-1].to_json()))
        other.load(self)
        other.decided = list(self.decided)
        return other


def straight(final: float, steps: int = 9) -> dict[int, float]:
    return {step: final + (steps - step) / steps for step in range(1, steps + 1)}


def finals(count: int, seed: int = 0) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).uniform(size=count)]
