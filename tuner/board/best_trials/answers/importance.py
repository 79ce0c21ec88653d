"""What the coordinator found out about a study, as far as it is well formed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuner.board.best_trials.studies.own import OwnStudy
from tuner.board.best_trials.table.values import MOST_LETTERS

if TYPE_CHECKING:
    from tuner.documents.study_folder.found import InsightsKey, ShownInsightsKey

_NO_STUDY = (
    "These trials were logged by another tool, which computes no importance. Parallel coordinates "
    "and the effect of each parameter show what matters."
)
_NOT_YET = (
    "Nothing has been computed of this study yet: it comes a minute after its first ten trials, "
    "from the coordinator."
)
#: Maximum length of a list or a mapping, and maximum depth of nesting.
_MOST, _DEPTH = 20_000, 8
_KINDS: Mapping[InsightsKey, type] = {
    "trials": int,
    "updated": str,
    "importance": dict,
    "edges": list,
    "advice": list,
    "improvement": dict,
    "history": list,
}


def importance_document(study: OwnStudy | None) -> dict[ShownInsightsKey, Any]:
    """Return `insights.json` after checking; malformed parts are left out.

    Args:
        study: None: it belongs to another tool.
    """
    if study is None:
        return {"why": _NO_STUDY}
    found: dict[ShownInsightsKey, Any] = {
        key: _bounded(study.insights[key], _DEPTH)
        for key, kind in _KINDS.items()
        if isinstance(study.insights.get(key), kind)
    }
    if not found:
        return {"why": _NOT_YET}
    listed: tuple[InsightsKey, ...] = ("edges", "advice", "history")
    for key in listed:
        found[key] = [one for one in found.get(key, []) if isinstance(one, dict)]
    return {"study": study.name, **found}


def _bounded(value: Any, depth: int) -> Any:
    """Return JSON of bounded size; the file is in a folder where trials may write."""
    if isinstance(value, str):
        return value[:MOST_LETTERS]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        if not depth:
            return None
        kept = list(value.items())[:_MOST]
        return {key[:MOST_LETTERS]: _bounded(item, depth - 1) for key, item in kept}
    if isinstance(value, list):
        return [_bounded(item, depth - 1) for item in value[:_MOST]] if depth else None
    return value
