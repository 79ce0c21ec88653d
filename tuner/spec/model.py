"""What a user asks for: the study spec, frozen, checked and complete.

The description of a field says what is allowed there; it is the last part of every message about
the field. `tuner.spec.reading` makes a `StudySpec` and reports all problems at once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tuner.protocol import MAX_DEVICES, Backend, Reproducibility
from tuner.space import Params, SearchSpace
from tuner.spec.duration import DURATION
from tuner.spec.history import AUTO, History, history_json
from tuner.spec.rules import (
    EXTERNAL,
    MAX_COMMAND,
    MAX_COMMAND_TEXT,
    NAME_RULE,
    Callable,
    CommandText,
    Duration,
    FirstRung,
    Image,
    Label,
    MetricName,
    Name,
    Number,
    Objective,
)
from tuner.spec.section import Section

SamplerName = Literal["bayesian", "tpe", "random", "grid", "qmc", "nsga2", "gp"]
PrunerName = Literal["asha", "hyperband", "median", "patient", "history", "none"]
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


class Sampler(Section):
    """Who proposes. Options that are None are left to the sampler.

    A name that was not given is the default for a new study, and leaves an existing one its own.
    """

    name: SamplerName = "bayesian"
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


class Pruner(Section):
    """Who ends hopeless trials early. Options that are None are left to the pruner."""

    name: PrunerName = "none"
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


#: Which options a name takes. To add a sampler or pruner: its name above and its options here.
SAMPLER_OPTIONS: dict[str, tuple[str, ...]] = {
    "bayesian": (),
    "tpe": ("startup_trials",),
    "random": (),
    "grid": (),
    "qmc": (),
    "nsga2": ("population",),
    "gp": ("startup_trials",),
}
PRUNER_OPTIONS: dict[str, tuple[str, ...]] = {
    "asha": ("min_resource", "reduction_factor"),
    "hyperband": ("min_resource", "max_resource", "reduction_factor"),
    "median": ("startup_trials", "warmup_steps"),
    "patient": ("patience", "min_delta"),
    "history": ("top", "confidence"),
    "none": (),
}


class TrialLimits(Section):
    """How one trial is executed."""

    #: Seconds after parsing; None: no limit.
    timeout: Duration = Field(default=None, description=DURATION)
    retries: int = Field(default=2, ge=0, le=100, description="a whole number from 0 to 100")
    gpus: int = Field(
        default=0,
        ge=0,
        le=MAX_DEVICES,
        description=f"a whole number from 0 to {MAX_DEVICES}: GPUs that each trial owns",
    )
    reproducibility: Reproducibility = "seeded"
    #: What Keras computes with; None: what the code or the worker's environment says.
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
        """Return the section as JSON values; without a loader as earlier releases know it."""
        loader = {} if self.loader is None else {"loader": self.loader}
        return {"name": self.name, "paths": list(self.paths), **loader}


class FoundParameter(Section):
    """A parameter of a hypermodel that a trial has met; its definition stands in `search_space`."""

    #: As in the search space.
    name: str = Field(min_length=1, max_length=100)
    #: The hypermodel's own name.
    source: str = Field(min_length=1, max_length=300)
    #: Number of the first trial that could be proposed with it; 0: the user has given it.
    since: int = Field(ge=0)
    #: What the hypermodel says, where the search space says something narrower.
    definition: dict[str, Any] | None = None

    @property
    def is_given(self) -> bool:
        """Whether the user has given the parameter."""
        return self.since == 0


class Head(Section):
    """The keys of a spec that hold one plain value, and how it says what a trial runs."""

    project: Name = Field(description=NAME_RULE)
    study: Name = Field(description=NAME_RULE)
    objective: Objective | None = Field(
        default=None,
        description="module:function, as objectives.digits:train; "
        "the module is not called tuner or workers; or external: no worker runs the trials",
    )
    hypermodel: Callable | None = Field(
        default=None,
        description="module:Name of a HyperModel or of a function build(hp), as models:build; "
        "the module is not called tuner or workers",
    )
    command: tuple[CommandText, ...] = Field(
        default=(),
        strict=False,
        min_length=1,
        max_length=MAX_COMMAND,
        description=f"a list of 1 to {MAX_COMMAND} texts (a number in quotes) of 1 to "
        f'{MAX_COMMAND_TEXT} characters, as [python, train.py, --lr, "{{train.learning_rate}}"]',
    )
    parallel: int | None = Field(
        default=None, ge=1, le=10_000, description="a whole number from 1 to 10000"
    )
    image: Image | None = Field(
        default=None, description="an image by digest, as team/train@sha256:<64 hexadecimal digits>"
    )
    priority: int = Field(default=0, ge=-100, le=100, description="a whole number from -100 to 100")


class StudySpec(Head):
    """One study as its user wants it. `space` holds the inlined search space and `forbid`."""

    metrics: tuple[Metric, ...]
    space: SearchSpace
    start_with: tuple[Params, ...] = ()
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    history: History = AUTO
    budget: Budget
    trial: TrialLimits = TrialLimits()
    data: Data = Data()
    #: Of a hypermodel: what trials have met of it, in the order of finding. Tuner writes it.
    found: tuple[FoundParameter, ...] = ()

    @property
    def entry(self) -> str:
        """What a trial runs: `module:function`, `hypermodel:module:Name`, `command`, `external`."""
        if self.hypermodel is not None:
            return f"hypermodel:{self.hypermodel}"
        return "command" if self.command else str(self.objective)

    @property
    def is_external(self) -> bool:
        """Whether its trials are for clients that ask for this very study, not for workers."""
        return self.objective == EXTERNAL

    @property
    def finds_space(self) -> bool:
        """Whether its trials may meet parameters that the spec does not name."""
        return self.hypermodel is not None or self.is_external

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that a trial begins with, dotted names."""
        named = (self.hypermodel, self.data.loader, None if self.is_external else self.objective)
        found = [item.partition(":")[0] for item in named if item is not None]
        pairs = zip(self.command, self.command[1:], strict=False)
        return (*found, *(text for option, text in pairs if option == "-m"))

    @property
    def given_space(self) -> SearchSpace:
        """The search space without what was found in a hypermodel."""
        found = {item.name for item in self.found if not item.is_given}
        if not found:
            return self.space
        given = tuple(item for item in self.space.parameters if item.name not in found)
        return SearchSpace(parameters=given, forbid=self.space.forbid)

    @property
    def name(self) -> str:
        """`project/study`."""
        return f"{self.project}/{self.study}"

    @property
    def constraints(self) -> tuple[()]:
        """Constraints on metrics; a later release brings them."""
        return ()

    @property
    def lists_paths(self) -> bool:
        """Whether `history` names paths, which are imported before the study is submitted."""
        return any(item.path is not None for item in self.history)

    def with_seed(self, seed: int) -> StudySpec:
        """Return the spec with the sampler's seed set."""
        return self._with_sampler(seed=seed)

    def with_sampler_named(self, name: SamplerName | None = None) -> StudySpec:
        """Return the spec with the sampler's name given: `name`, by default what it is."""
        return self._with_sampler(name=name or self.sampler.name)

    def _with_sampler(self, **values: Any) -> StudySpec:
        return self.model_copy(update={"sampler": self.sampler.model_copy(update=values)})

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON values in one canonical form; `parse_spec` inverts it."""
        space = self.space.to_json()
        found = [item.model_dump(exclude_none=True) for item in self.found]
        return {
            "project": self.project,
            "study": self.study,
            **self._way(),
            "metric": [metric.model_dump() for metric in self.metrics],
            "constraints": [],
            "search_space": space["parameters"],
            "forbid": space["forbid"],
            "start_with": [dict(params) for params in self.start_with],
            "sampler": self.sampler.to_json(),
            "pruner": self.pruner.model_dump(exclude_none=True),
            "history": history_json(self.history),
            "budget": self.budget.model_dump(exclude_none=True),
            "parallel": self.parallel,
            "trial": self.trial.model_dump(exclude_none=True),
            "image": self.image,
            "data": self.data.to_json(),
            "priority": self.priority,
            **({"found": found} if found else {}),
        }

    def _way(self) -> dict[str, Any]:
        """Return the key that says what a trial runs."""
        if self.hypermodel is not None:
            return {"hypermodel": self.hypermodel}
        return {"command": list(self.command)} if self.command else {"objective": self.objective}
