"""Which samplers and pruners take something from history."""

from tuner.spec import StudySpec

#: Samplers that do.
LEARNING = ("bayesian",)
#: The pruner that does.
HISTORY = "history"
#: Pruners that take their first rung from it, unless it is given.
WITH_RUNGS = ("asha", "hyperband")


def seeks_first_rung(spec: StudySpec) -> bool:
    """Whether history may say from when on ranks foretell the end."""
    is_open = spec.pruner.min_resource in (None, "auto")
    return spec.pruner.name in WITH_RUNGS and is_open and bool(spec.history)


def learns(spec: StudySpec) -> bool:
    """Whether a study has a lesson to wait for.

    With `history: none` its pruner has one too: that it prunes nothing, and why.
    """
    is_taught = spec.sampler.name in LEARNING and bool(spec.history)
    return spec.pruner.name == HISTORY or is_taught or seeks_first_rung(spec)
