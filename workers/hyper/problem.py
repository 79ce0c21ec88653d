"""What is wrong with a hypermodel, in one sentence that says what to do."""

from __future__ import annotations

from workers.objective.finding import ObjectiveError


class HypermodelError(ObjectiveError):
    """A hypermodel cannot be run, or does what no search can follow; the text says what to do."""
