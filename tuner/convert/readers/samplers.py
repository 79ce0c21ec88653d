"""Samplers of other tools."""

from __future__ import annotations

from tuner.convert.draft import SpecDraft
from tuner.errors import SpecError
from tuner.space import SearchSpace
from tuner.space.value import show_all

#: A grid with more configurations is a mistake, here as there.
_MOST_TRIALS = 1_000_000


def grid(draft: SpecDraft) -> None:
    """Take grid search, and as many trials as it has; of a space that has no end, random search."""
    infinite = [
        name for name, item in draft.space.items() if item["type"] == "float" and "step" not in item
    ]
    if infinite:
        draft.values["sampler"] = {"name": "random"}
        draft.lose("sampler", f"grid search: without a step in {show_all(infinite)} it has no end")
        return
    draft.values["sampler"] = {"name": "grid"}
    try:
        size = SearchSpace.from_json({"parameters": draft.space}).cardinality()
    except SpecError:
        return  # said of the whole spec
    if size is not None and size <= _MOST_TRIALS:
        draft.values.setdefault("budget", {}).setdefault("trials", size)
