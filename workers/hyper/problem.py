"""An error in a hypermodel, in one sentence that says what to do."""

from __future__ import annotations

from workers.objective.finding import ObjectiveError


class HypermodelError(ObjectiveError):
    """A hypermodel cannot be run, or behaves in a way that no search can handle."""
