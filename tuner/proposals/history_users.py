"""Which studies use the history."""

from tuner.registry import PRUNERS, SAMPLERS, Trait
from tuner.spec import StudySpec

#: The pruner that predicts from earlier curves.
HISTORY = "history"


def takes_prior(spec: StudySpec) -> bool:
    """Whether the study's sampler learns from the history."""
    return SAMPLERS.has(spec.sampler.name, Trait.LEARNS)


def seeks_first_rung(spec: StudySpec) -> bool:
    """Whether the history may determine from when on ranks predict the end."""
    is_open = spec.pruner.min_resource in (None, "auto")
    return is_open and bool(spec.history) and PRUNERS.has(spec.pruner.name, Trait.RUNGS)


def learns(spec: StudySpec) -> bool:
    """Whether a study has a lesson to wait for.

    With `history: none` its pruner has one too: that it prunes nothing, and why.
    """
    is_taught = bool(spec.history) and takes_prior(spec)
    return spec.pruner.name == HISTORY or is_taught or seeks_first_rung(spec)
