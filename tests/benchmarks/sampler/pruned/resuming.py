"""Peers that ask for a configuration at a number of epochs, and later for more of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from tests.benchmarks.sampler.pruned.arm import Job, PrunedProblem
from tuner.space import Params

#: What a training that diverged is told as, in medians of random ones above the best.
_DIVERGED = 10.0


class ResumingArm(ABC):
    """A configuration goes on from where it was stopped, and what is known already costs nothing.

    That is in the peer's favour: with checkpoints it can be had.
    """

    def __init__(self, problem: PrunedProblem) -> None:
        self.problem = problem
        self._curves: dict[str, dict[int, float]] = {}
        self._open: dict[int, tuple[Any, str, int]] = {}
        self._asked = 0
        task = problem.task
        self._worst = task.median + _DIVERGED * (task.median - task.best)

    @abstractmethod
    def next_wanted(self) -> tuple[Any, Params, float]:
        """Return what the peer wants to know: its own token, the configuration, the epochs."""

    @abstractmethod
    def learn(self, token: Any, value: float) -> None:
        """Tell the peer the value after the epochs that it wanted, lower is better."""

    def ask(self) -> Job:
        """Return the next job that costs anything."""
        while True:
            token, params, wanted = self.next_wanted()
            stop = int(np.clip(round(wanted), 1, self.problem.epochs))
            key = self.problem.task.space.key(params)
            known = self._curves.setdefault(key, {})
            done = max(known, default=0)
            if stop > done:
                break
            self.learn(token, known[stop])
        self._asked += 1
        self._open[self._asked] = (token, key, stop)
        return Job(ticket=self._asked, params=params, start=done, stop=stop)

    def report(self, ticket: int, step: int, value: float) -> bool:
        """Keep the curve; nothing stops before the epochs that were wanted."""
        self._curves[self._open[ticket][1]][step] = value
        return False

    def end(self, ticket: int, final: float | None) -> None:
        """Tell the peer the value, the worst where the training diverged before."""
        token, key, stop = self._open.pop(ticket)
        curve = self._curves[key]
        if stop not in curve:
            # Asked for again it is known: it would diverge again.
            curve.update(dict.fromkeys(range(1, stop + 1), self._worst) | curve)
        self.learn(token, curve[stop] if final is None else final)
