"""What a sampler is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuner.space import SearchSpace

if TYPE_CHECKING:  # scipy takes a quarter of a second, and most samplers do without
    from tuner.surrogate.history.prior import Prior


@dataclass(frozen=True, kw_only=True)
class SamplerContext:
    """What a sampler is made from.

    `study_seed` and `seed` (for this proposal) are below 2**32; `has_conditions` says whether
    trials may lack parameters: because they are only active for some values of others, or were
    found later.
    """

    study_seed: int
    seed: int
    #: The declared space; None if the study declares none.
    space: SearchSpace | None = None
    has_conditions: bool = False
    #: Name of the only metric; empty if there are several.
    metric: str = ""
    #: The prior from history; for several metrics a list, with None where history has nothing.
    prior: Prior | list[Prior | None] | None = None
    #: The time limit of a trial in seconds; None: no limit.
    limit_s: float | None = None
    #: `startup_trials` (tpe, gp) and `population` (nsga2), if the spec sets them.
    options: Mapping[str, int] = field(default_factory=dict)
    #: A cache that lives from one proposal of the study to the next; may be emptied at any time.
    memory: dict[str, Any] = field(default_factory=dict)

    def given(self, **names: str) -> dict[str, Any]:
        """Return the value of each option that the spec sets, by Optuna's name for it."""
        return {name: self.options[ours] for name, ours in names.items() if ours in self.options}
