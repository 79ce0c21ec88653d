"""How long a study has run: pauses, and time without a coordinator, do not count."""

from __future__ import annotations

from typing import Protocol


class Timed(Protocol):
    """A study, as far as the account of its running time goes."""

    @property
    def running_since(self) -> float | None:
        """When it went on last; None: it does not run."""

    @property
    def active_s(self) -> float:
        """How long it had run before that, seconds."""


def active_s(study: Timed, now: float) -> float:
    """Return how long the study has run, pauses left out."""
    since = study.running_since
    return float(study.active_s + (max(0.0, now - since) if since is not None else 0.0))
