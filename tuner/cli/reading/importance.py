"""Requests which parameters of a study matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.errors import NotFoundError

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.importance import Importance
    from tuner.service.reading import Reader


def read_importance(api: Reader | ApiClient, study: str) -> Importance | None:
    """Return which parameters matter; None: a server of an earlier release cannot say."""
    try:
        return api.importance(study)
    except NotFoundError:
        return None


def order_of(importance: Importance | None) -> tuple[str, ...]:
    """Return the names of the tuned parameters, most important first; empty: unknown."""
    return tuple(str(p["name"]) for p in importance["parameters"]) if importance else ()
