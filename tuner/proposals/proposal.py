"""A proposed trial, and the record of its inputs, which is stored with it."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from tuner.instruments import Preparation
from tuner.proposals.brackets import Brackets
from tuner.release import release
from tuner.visible import finite

#: Libraries that affect a proposal: another release may round, or choose, differently.
LIBRARIES = ("optuna", "numpy", "scipy")
#: Sampler name for a failed trial that the user has tried again.
RETRY = "retry"
#: Sampler name for a trial without anything to choose: a hypermodel's own defaults.
DEFAULTS = "defaults"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A configuration, and who chose it."""

    params: dict[str, Any]
    #: The sampler that actually chose, possibly a fallback.
    sampler: str
    seed: int
    #: How often it was asked before for this trial.
    attempt: int = 0


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A configuration for the next trial, and what it was conditioned on."""

    choice: Choice
    #: Number of results told, in the order of `tuner_trials.told`.
    told: int
    #: Number of trials; those without a result are `pending`.
    trials: int
    pending: tuple[int, ...]
    #: Numbers of failed trials that were to be ignored by then.
    forgotten: tuple[int, ...] = ()
    #: Key of what the sampler knew from the history.
    artifact: str | None = None
    #: Maximum seconds that a trial could take; None: no limit.
    limit_s: float | None = None
    all_curves: bool = True
    brackets: Brackets | None = None
    #: Attributes of the study, and of its own trial, written by the sampler.
    study_attrs: Mapping[str, Any] = field(default_factory=dict)
    trial_attrs: Mapping[str, Any] = field(default_factory=dict)
    #: The sampler's explanation of its choice.
    insight: Mapping[str, Any] | None = None
    #: How it was prepared; None for one that was tried again.
    preparation: Preparation | None = None
    #: The failed trial whose configuration is tried again.
    retry_of: int | None = None
    #: Other packages that provide the study's sampler or pruner, as "toy-samplers 1.2".
    packages: tuple[str, ...] = ()

    @property
    def params(self) -> dict[str, Any]:
        """The configuration."""
        return self.choice.params

    @property
    def sampler(self) -> str:
        """The sampler that actually chose, possibly a fallback."""
        return self.choice.sampler

    def prepared(self, how: Preparation) -> Proposal:
        """Return the proposal with the way it was prepared."""
        return replace(self, preparation=how)

    def to_json(self) -> dict[str, Any]:
        """Return the record that is stored with the trial; docs/explain.md describes it."""
        return {
            "sampler": self.sampler,
            "preparation": self.preparation,
            "seed": self.choice.seed,
            "try": self.choice.attempt,
            "told": self.told,
            "trials": self.trials,
            "pending": list(self.pending),
            "forgotten": list(self.forgotten),
            "retry_of": self.retry_of,
            "artifact": self.artifact,
            "limit_s": self.limit_s,
            "curves": "all" if self.all_curves else "pruned",
            "brackets": self.brackets,
            "wrote": {"study": dict(self.study_attrs), "trial": dict(self.trial_attrs)},
            "insight": finite(self.insight),
            "software": software(self.packages),
        }


@cache
def software(packages: tuple[str, ...] = ()) -> str:
    """Return the releases that compute proposals in this process, and the type of processor.

    Args:
        packages: that provide the sampler or the pruner, if Tuner does not.
    """
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return ", ".join([f"tuner {release()}", *versions, *packages, platform.machine()])
