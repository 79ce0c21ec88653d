"""A proposed trial, and the record of what it was conditioned on, which is stored with it."""

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

#: What computes a proposal beside Tuner: another release may round, or choose, otherwise.
LIBRARIES = ("optuna", "numpy", "scipy")
#: The sampler of a failed trial that the user has tried again.
RETRY = "retry"
#: The sampler of a trial of which nothing can be chosen: a hypermodel's own defaults.
DEFAULTS = "defaults"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A configuration and who chose it."""

    params: dict[str, Any]
    #: The sampler that really chose, which may be a fallback.
    sampler: str
    seed: int
    #: How often it was asked before for this trial.
    attempt: int = 0


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A configuration for the next trial, and what it was conditioned on."""

    choice: Choice
    #: How many results had entered, in the order of `tuner_trials.told`.
    told: int
    #: How many trials there were; those without a result are `pending`.
    trials: int
    pending: tuple[int, ...]
    #: Numbers of failed trials whose lessons were forgotten by then.
    forgotten: tuple[int, ...] = ()
    #: Key of what the sampler knew from history.
    artifact: str | None = None
    #: The longest that a trial might take, seconds; None: there was no limit.
    limit_s: float | None = None
    all_curves: bool = True
    brackets: Brackets | None = None
    #: Attributes of the study, and of its own trial, that the sampler has written.
    study_attrs: Mapping[str, Any] = field(default_factory=dict)
    trial_attrs: Mapping[str, Any] = field(default_factory=dict)
    #: What the sampler says about its choice.
    insight: Mapping[str, Any] | None = None
    #: How it came out of the preparation; None for one that was tried again.
    preparation: Preparation | None = None
    #: The failed trial whose configuration this one tries again.
    retry_of: int | None = None
    #: What other packages bring of the study's sampler and pruner, as "toy-samplers 1.2".
    packages: tuple[str, ...] = ()

    @property
    def params(self) -> dict[str, Any]:
        """The configuration."""
        return self.choice.params

    @property
    def sampler(self) -> str:
        """The sampler that really chose, which may be a fallback."""
        return self.choice.sampler

    def prepared(self, how: Preparation) -> Proposal:
        """Return the proposal with how it came out of the preparation."""
        return replace(self, preparation=how)

    def to_json(self) -> dict[str, Any]:
        """Return the record that is stored with the trial: docs/explain.md explains it."""
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
    """Return the releases that compute proposals in this process, and the kind of processor.

    Args:
        packages: that bring the sampler or the pruner, where Tuner does not.
    """
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return ", ".join([f"tuner {release()}", *versions, *packages, platform.machine()])
