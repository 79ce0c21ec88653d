"""What a user asks for: the study spec, frozen, checked and complete.

`tuner.spec.reading.study` makes a `StudySpec` and reports all problems at once.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tuner.space import Params, SearchSpace
from tuner.spec.history import AUTO, History, history_json
from tuner.spec.parts import (
    Budget,
    Data,
    FoundParameter,
    Metric,
    Pruner,
    Sampler,
    TrialLimits,
)
from tuner.spec.rules import (
    EXTERNAL,
    MAX_COMMAND,
    MAX_COMMAND_TEXT,
    NAME_RULE,
    Callable,
    CommandText,
    Image,
    Name,
    Objective,
)
from tuner.spec.section import Section


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
    #: Parameters that trials have found in a hypermodel, in the order of finding. Written by Tuner.
    found: tuple[FoundParameter, ...] = ()

    @property
    def entry(self) -> str:
        """What a trial runs: `module:function`, `hypermodel:module:Name`, `command`, `external`."""
        if self.hypermodel is not None:
            return f"hypermodel:{self.hypermodel}"
        return "command" if self.command else str(self.objective)

    @property
    def is_external(self) -> bool:
        """Whether its trials are executed by clients that request this study, not by workers."""
        return self.objective == EXTERNAL

    @property
    def finds_space(self) -> bool:
        """Whether its trials may find parameters that the spec does not name."""
        return self.hypermodel is not None or self.is_external

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that a trial starts with, as dotted names."""
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
    def lists_paths(self) -> bool:
        """Whether `history` names paths, which are imported before the study is submitted."""
        return any(item.path is not None for item in self.history)

    def with_seed(self, seed: int) -> StudySpec:
        """Return the spec with the sampler's seed set."""
        return self._with_sampler(seed=seed)

    def with_sampler_named(self, name: str | None = None) -> StudySpec:
        """Return the spec with an explicit sampler name: `name`, by default the current one."""
        return self._with_sampler(name=name or self.sampler.name)

    def _with_sampler(self, **values: Any) -> StudySpec:
        return self.model_copy(update={"sampler": self.sampler.model_copy(update=values)})

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON values in its canonical form; `parse_spec` inverts it."""
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
        """Return the key that says what a trial runs, with its value."""
        if self.hypermodel is not None:
            return {"hypermodel": self.hypermodel}
        return {"command": list(self.command)} if self.command else {"objective": self.objective}
