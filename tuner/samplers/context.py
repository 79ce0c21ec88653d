"""What a sampler is made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuner.space import SearchSpace

if TYPE_CHECKING:  # scipy takes a quarter of a second, and most samplers do without
    from tuner.surrogate.history.prior import Prior


@dataclass(frozen=True, kw_only=True)
class SamplerContext:
    """What a sampler is made for.

    `study_seed` and `seed` (of this proposal) are below 2**32; `has_conditions` says whether trials
    may lack parameters: active only for some values of others, or found later.
    """

    study_seed: int
    seed: int
    #: The declared space; None for a study that declares none.
    space: SearchSpace | None = None
    has_conditions: bool = False
    #: Name of the only metric; empty where there are several.
    metric: str = ""
    #: What history tells; of several metrics a list, with None where it tells nothing.
    prior: Prior | list[Prior | None] | None = None
    #: The longest that a trial may take, seconds; None: there is no limit.
    limit_s: float | None = None
    #: `startup_trials` (tpe, gp) and `population` (nsga2), where the spec gives them.
    options: Mapping[str, int] = field(default_factory=dict)
    #: What samplers keep from one proposal of the study to the next; may be empty at any time.
    memory: dict[str, Any] = field(default_factory=dict)

    def given(self, **names: str) -> dict[str, Any]:
        """Return Optuna's name and the value of each option that the spec gives."""
        return {name: self.options[ours] for name, ours in names.items() if ours in self.options}
