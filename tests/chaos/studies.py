"""The studies that are tuned at the same time, and what may become of their trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    # The user's own mistake, which the library refuses.
    "step": {("fail", "error")},
}


@dataclass(frozen=True, kw_only=True)
class ChaosStudy:
    """One study: its share of all trials, and its part of the spec."""

    name: str
    share: float
    objective: str
    project: str = PROJECT
    module: str = "chaos_trials"
    goal: str = "maximize"
    sampler: str = "random"
    pruner: str = "none"
    retries: int = 2
    has_fate: bool = False
    #: Further keys of the spec, and of its `trial`.
    keys: Mapping[str, Any] = field(default_factory=dict)
    trial: Mapping[str, Any] = field(default_factory=dict)
    #: Whether its trials leave the log root alone, so that what is there can be checked.
    has_files: bool = True

    @property
    def full_name(self) -> str:
        return f"{self.project}/{self.name}"

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
            "project": self.project,
            "study": self.name,
            "objective": f"{self.module}:{self.objective}",
            "metric": {"name": "score", "goal": self.goal},
            "search_space": self._parameters(),
            "sampler": sampler,
            "pruner": {"name": self.pruner},
            "history": "none",
            # Three failures alike at the start would pause the study.
            "start_with": [{**good, "x": 0.25 * n} for n in range(3)] if self.has_fate else [],
            "budget": {"trials": self.trials_of(trials)},
            "trial": {"retries": self.retries, **self.trial},
            **self.keys,
        }

    def trials_of(self, trials: int) -> int:
        """Return how many of all trials are this study's."""
        return max(1, round(self.share * trials)) if self.share else trials

    def endings(self, params: Mapping[str, Any]) -> set[tuple[str, str | None]]:
        """Return how a trial of these parameters may end: state, and cause when it failed.

        A trial that loses its machine too often fails as well, and so does one that is dropped at
        the end of its study: then nothing counts.
        """
        machine: set[tuple[str, str | None]] = {("fail", "lost"), ("fail", "cancelled")}
        own = _FATES.get(FATES.get(params.get("fate", -1), ""), _GOOD)
        pruned: set[tuple[str, str | None]] = {("pruned", None)} if self.pruner != "none" else set()
        # What it planted in its own way is its own error.
        planted: set[tuple[str, str | None]] = set() if self.has_files else {("fail", "error")}
        return own | pruned | machine | planted

    def _parameters(self) -> dict[str, Any]:
        fate = {"fate": {"type": "int", "low": 0, "high": 15}} if self.has_fate else {}
        return {**SPACE, **fate}


#: Its trials plant things, in a project of its own. One of them runs at any time.
PLANTING = ChaosStudy(
    name="planting",
    share=0.22,
    objective="plants",
    project="planters",
    module="planting_trials",
    retries=4,
    trial={"keep": 2},
    keys={"parallel": 1},
    has_files=False,
)
#: Whose user deletes its rows; it comes and goes.
VICTIM = ChaosStudy(name="victim", share=0.0, objective="quick", project="victims", has_files=False)
#: The planting one first: a free worker goes to the first of several that have none.
STUDIES = (
    PLANTING,
    ChaosStudy(name="tpe", share=0.24, objective="plain", sampler="tpe", retries=4),
    ChaosStudy(name="random", share=0.16, objective="silent", goal="minimize", retries=0),
    ChaosStudy(name="pruned", share=0.2, objective="prunable", pruner="asha"),
    ChaosStudy(name="fragile", share=0.18, objective="fragile", has_fate=True),
)
#: Those whose trials all count and are checked.
PROJECTS = (PROJECT, PLANTING.project)
