"""The sections of a study spec, each frozen and checked by itself.

The description of a field says what is allowed there; it is the last part of every message about
the field.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from tuner.protocol import MAX_DEVICES, Backend, Reproducibility
from tuner.spec.duration import DURATION
from tuner.spec.rules import Callable, Duration, FirstRung, Label, MetricName, Number
from tuner.spec.section import Section

Goal = Literal["maximize", "minimize"]

_SEED = "a whole number from 0 to 4294967295"


class Metric(Section):
    """What the objective returns and where it should go."""

    name: MetricName = Field(
        description="a name as the objective reports it, as val_accuracy: letters, digits and "
        "_ . / -, at most 64 characters, not objective (Tuner writes that one)"
    )
    goal: Goal


class Budget(Section):
    """When a study ends; the first limit that is reached counts."""

    trials: int | None = Field(
        default=None, ge=1, le=1_000_000, description="a whole number from 1 to 1000000"
    )
    hours: Number | None = Field(
        default=None, gt=0, le=100_000, description="a number above 0, at most 100000"
    )
    target: Number | None = Field(
        default=None, description="a finite number: the objective that is good enough"
    )
    patience: int | None = Field(
        default=None, ge=1, le=1_000_000, description="a whole number from 1: trials without gain"
    )


class Named(Section):
    """A section whose name says which keys it has beside those of the model.

    Those that a package's sampler or pruner has of its own are kept as they were given: numbers,
    truths and texts. `tuner.spec.reading.naming` checks names and keys.
    """

    model_config = ConfigDict(extra="allow")


class Sampler(Named):
    """Who proposes. Options that are None are left to the sampler.

    A name that was not given is the default for a new study, and leaves an existing one its own.
    """

    name: str = "bayesian"
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1, description=_SEED)
    startup_trials: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="a whole number from 1 to 10000: random trials before the model",
    )
    population: int | None = Field(
        default=None, ge=2, le=10_000, description="a whole number from 2 to 10000"
    )

    @property
    def options(self) -> dict[str, Any]:
        """The options that were given, without name and seed."""
        return self.model_dump(exclude_none=True, exclude={"name", "seed"})

    @property
    def is_named(self) -> bool:
        """Whether the name was given."""
        return "name" in self.model_fields_set

    def to_json(self) -> dict[str, Any]:
        """Return what was given."""
        return self.model_dump(exclude_none=True, exclude=None if self.is_named else {"name"})


class Pruner(Named):
    """Who ends hopeless trials early. Options that are None are left to the pruner."""

    name: str = "none"
    min_resource: FirstRung | None = Field(
        default=None,
        description="auto, or a whole number from 1 to 1000000: steps every trial may take",
    )
    max_resource: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="a whole number from 1: steps of a complete trial",
    )
    reduction_factor: int | None = Field(
        default=None, ge=2, le=100, description="a whole number from 2 to 100"
    )
    startup_trials: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="a whole number from 0 to 10000: trials that are never pruned",
    )
    warmup_steps: int | None = Field(
        default=None, ge=0, le=1_000_000, description="a whole number from 0: steps without pruning"
    )
    patience: int | None = Field(
        default=None, ge=1, le=1_000_000, description="a whole number from 1: steps without gain"
    )
    min_delta: Number | None = Field(
        default=None, ge=0, description="a number from 0: what counts as gain"
    )
    top: Number | None = Field(
        default=None,
        ge=0.05,
        le=0.9,
        description="a number from 0.05 to 0.9: the share of the trials that is not to be lost",
    )
    confidence: Number | None = Field(
        default=None,
        ge=0.5,
        lt=1,
        description="a number from 0.5, below 1: the minimum confidence before a trial is pruned",
    )

    @property
    def options(self) -> dict[str, Any]:
        """The options that were given, without the name."""
        return self.model_dump(exclude_none=True, exclude={"name"})


class TrialLimits(Section):
    """How one trial is executed."""

    #: In seconds after parsing; None: no limit.
    timeout: Duration = Field(default=None, description=DURATION)
    retries: int = Field(default=2, ge=0, le=100, description="a whole number from 0 to 100")
    gpus: int = Field(
        default=0,
        ge=0,
        le=MAX_DEVICES,
        description=f"a whole number from 0 to {MAX_DEVICES}: GPUs that each trial owns",
    )
    reproducibility: Reproducibility = "seeded"
    #: The Keras backend; None: as the code or the worker's environment says.
    backend: Backend | None = Field(
        default=None, description='one of "tensorflow", "jax", "torch": what Keras computes with'
    )
    keep: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="a whole number from 0: checkpoints kept of the best trials",
    )


class Data(Section):
    """What the objective trains on; its fingerprint is part of the study's identity."""

    name: Label | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="text of 1 to 200 characters on one line",
    )
    paths: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(),
        strict=False,
        max_length=1000,
        description="a list of at most 1000 files and folders",
    )
    loader: Callable | None = Field(
        default=None,
        description="module:function that returns the arguments of fit, as data:load; "
        "the module is not called tuner or workers",
    )

    def to_json(self) -> dict[str, Any]:
        """Return the section as JSON values; without a loader, in the form of earlier releases."""
        loader = {} if self.loader is None else {"loader": self.loader}
        return {"name": self.name, "paths": list(self.paths), **loader}


class FoundParameter(Section):
    """A parameter of a hypermodel that a trial has met; its definition stands in `search_space`."""

    #: As in the search space.
    name: str = Field(min_length=1, max_length=100)
    #: The hypermodel's own name.
    source: str = Field(min_length=1, max_length=300)
    #: Number of the first trial that could be proposed with it; 0: the user defined it.
    since: int = Field(ge=0)
    #: The hypermodel's definition, if the search space holds a narrower one.
    definition: dict[str, Any] | None = None

    @property
    def is_given(self) -> bool:
        """Whether the user defined the parameter."""
        return self.since == 0
