"""How long a study has run, not counting pauses and time without a coordinator."""

from __future__ import annotations

from typing import Protocol


class Timed(Protocol):
    """A study, reduced to its running time."""

    @property
    def running_since(self) -> float | None:
        """When it last started or resumed; None: it is not running."""

    @property
    def active_s(self) -> float:
        """Seconds that it had run before that."""


def active_s(study: Timed, now: float) -> float:
    """Return how many seconds the study has run, without pauses."""
    since = study.running_since
    return float(study.active_s + (max(0.0, now - since) if since is not None else 0.0))
