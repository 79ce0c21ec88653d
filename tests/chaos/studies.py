"""The studies that are tuned at the same time, and what may become of their trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.objectives.chaos_trials import FATES
from tuner.space import SearchSpace

OBJECTIVES = Path(__file__).parent / "objectives"
PROJECT = "chaos"

SPACE: dict[str, Any] = {
    "x": {"type": "float", "low": 0.0, "high": 1.0},
    "rate": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True},
    "layers": {"type": "int", "low": 1, "high": 4},
    "kind": {"type": "categorical", "values": ["plain", "momentum"]},
    "momentum": {"type": "float", "low": 0.0, "high": 0.99, "when": {"kind": ["momentum"]}},
}
#: How a trial ends that nothing could harm: state, and cause when it failed.
_GOOD = {("complete", None)}
_FATES: dict[str, set[tuple[str, str | None]]] = {
    "nan": {("fail", "diverged")},
    "raises": {("fail", "error")},
    "memory": {("fail", "oom")},
    "exits": {("fail", "error")},
    # Its worker cannot tell it from a kill by somebody else.
    "killed": {("fail", "lost"), ("fail", "oom")},
    "memory-once": {("complete", None)},
}


@dataclass(frozen=True, kw_only=True)
class ChaosStudy:
    """One study: its share of all trials, and its part of the spec."""

    name: str
    share: float
    objective: str
    goal: str = "maximize"
    sampler: str = "random"
    pruner: str = "none"
    retries: int = 2
    has_fate: bool = False

    @property
    def full_name(self) -> str:
        return f"{PROJECT}/{self.name}"

    @property
    def space(self) -> SearchSpace:
        return SearchSpace.from_json({"parameters": self._parameters(), "forbid": []})

    def spec(self, trials: int, seed: int) -> dict[str, Any]:
        """Return the spec of the study with its share of `trials`."""
        sampler: dict[str, Any] = {"name": self.sampler, "seed": seed}
        if self.sampler == "tpe":
            sampler["startup_trials"] = 5
        good = {"x": 0.5, "rate": 0.01, "fate": max(FATES) + 1}
        return {
            "project": PROJECT,
            "study": self.name,
            "objective": f"chaos_trials:{self.objective}",
            "metric": {"name": "score", "goal": self.goal},
            "search_space": self._parameters(),
            "sampler": sampler,
            "pruner": {"name": self.pruner},
            "history": "none",
            # Three failures alike at the start would pause the study.
            "start_with": [{**good, "x": 0.25 * n} for n in range(3)] if self.has_fate else [],
            "budget": {"trials": self.trials_of(trials)},
            "trial": {"retries": self.retries},
        }

    def trials_of(self, trials: int) -> int:
        """Return how many of all trials are this study's."""
        return max(1, round(self.share * trials))

    def endings(self, params: Mapping[str, Any]) -> set[tuple[str, str | None]]:
        """Return how a trial of these parameters may end: state, and cause when it failed.

        A trial that loses its machine too often fails as well, and so does one that is dropped at
        the end of its study: then nothing counts.
        """
        machine: set[tuple[str, str | None]] = {("fail", "lost"), ("fail", "cancelled")}
        own = _FATES.get(FATES.get(params.get("fate", -1), ""), _GOOD)
        pruned: set[tuple[str, str | None]] = {("pruned", None)} if self.pruner != "none" else set()
        return own | pruned | machine

    def _parameters(self) -> dict[str, Any]:
        fate = {"fate": {"type": "int", "low": 0, "high": 15}} if self.has_fate else {}
        return {**SPACE, **fate}


STUDIES = (
    ChaosStudy(name="tpe", share=0.32, objective="plain", sampler="tpe", retries=4),
    ChaosStudy(name="random", share=0.2, objective="silent", goal="minimize", retries=0),
    ChaosStudy(name="pruned", share=0.26, objective="prunable", pruner="asha"),
    ChaosStudy(name="fragile", share=0.22, objective="fragile", has_fate=True),
)
