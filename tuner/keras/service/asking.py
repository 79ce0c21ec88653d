"""Builds a study's spec from the arguments of a script's oracle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.errors import SpecError
from tuner.protocol import NAME_PATTERN

#: The objective's names that a study accepts for its metric; others are converted.
_METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,63}")
_TAKEN = re.compile(r"objective(_[0-9]+)?")
_GOALS = {"max": "maximize", "min": "minimize"}

#: A name such as `bayesian`, or a section as in a spec: `{name: tpe, startup_trials: 20}`.
Section = str | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a script asks of the service in addition to the arguments of KerasTuner's own oracles.

    Attributes:
        study: `project/study`.
        sampler: as in a spec; None: the default, or what the study has.
        pruner: as in a spec; None: no training is ended early.
        history: `auto`, `none`, or a list of studies.
        budget: limits in addition to the number of trials: hours, target, patience.
        parallel: maximum number of trials that run at the same time, over all processes.
    """

    study: str
    sampler: Section | None = None
    pruner: Section | None = None
    history: str | Sequence[str] = "auto"
    budget: Mapping[str, Any] = field(default_factory=dict)
    parallel: int | None = None

    def __post_init__(self) -> None:
        """Check the study's name.

        Raises:
            SpecError: it is not a valid name.
        """
        project, slash, name = str(self.study).partition("/")
        if not slash or not all(re.fullmatch(NAME_PATTERN, part) for part in (project, name)):
            raise SpecError(
                f"study: {str(self.study)[:200]!r}: project/study, as vision/cnn, each 1 to 63 "
                f"characters a-z, 0-9 and -, first and last not -"
            )

    @property
    def has_pruner(self) -> bool:
        """Whether trainings may be ended early."""
        return self.pruner is not None and _section(self.pruner).get("name", "none") != "none"


def metric_name(objective: str) -> str:
    """Return the study's name for an objective: `my loss` becomes `my_loss`."""
    name = re.sub(r"[^A-Za-z0-9_./-]", "_", objective)[:60] or "value"
    if not name[0].isalpha() and name[0] != "_":
        name = f"_{name}"
    return name if _METRIC.fullmatch(name) and not _TAKEN.fullmatch(name) else f"{name}_value"


def make_spec(
    wishes: Wishes,
    objective: Any,
    *,
    search_space: Mapping[str, Any],
    max_trials: int | None,
    seed: int | None,
) -> dict[str, Any]:
    """Return the spec to submit.

    Args:
        wishes: what the script asks for.
        objective: KerasTuner's objective, with a name and a direction.
        search_space: definitions by name, as in a spec; may be empty: then it is found.
        max_trials: number of trials; None: only the other limits apply.
        seed: of the sampler; None: drawn at random.

    Raises:
        SpecError: nothing limits the search.
    """
    project, _, study = wishes.study.partition("/")
    budget = {"trials": max_trials} if max_trials is not None else {}
    budget |= dict(wishes.budget)
    if not budget:
        raise SpecError(
            "max_trials: missing: a number of trials, or another limit as budget={'hours': 2}"
        )
    sampler = _section(wishes.sampler) if wishes.sampler is not None else {}
    spec: dict[str, Any] = {
        "project": project,
        "study": study,
        "objective": "external",
        "metric": [{"name": metric_name(objective.name), "goal": _GOALS[objective.direction]}],
        "search_space": dict(search_space),
        "history": wishes.history if isinstance(wishes.history, str) else list(wishes.history),
        "budget": budget,
        # The script sets the seeds of its trainings, or chooses not to.
        "trial": {"reproducibility": "off"},
    }
    if seed is not None:
        sampler |= {"seed": seed}
    if sampler:
        spec["sampler"] = sampler
    if wishes.pruner is not None:
        spec["pruner"] = _section(wishes.pruner)
    if wishes.parallel is not None:
        spec["parallel"] = wishes.parallel
    return spec


def _section(given: Section) -> dict[str, Any]:
    return {"name": given} if isinstance(given, str) else dict(given)
