"""Which samplers and pruners take something from history."""

from tuner.spec import StudySpec

#: Samplers that do.
LEARNING = ("bayesian",)
#: The pruner that does.
HISTORY = "history"


def learns(spec: StudySpec) -> bool:
    """Whether a study has a lesson to wait for.

    With `history: none` its pruner has one too: that it prunes nothing, and why.
    """
    return spec.pruner.name == HISTORY or (spec.sampler.name in LEARNING and bool(spec.history))
