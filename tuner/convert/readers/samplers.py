"""Other tools' samplers."""

from __future__ import annotations

from tuner.convert.draft import SpecDraft
from tuner.errors import SpecError
from tuner.space import SearchSpace
from tuner.space.value import show_all

#: Maximum number of a grid's configurations; more are a mistake, here as there.
_MOST_TRIALS = 1_000_000


def grid(draft: SpecDraft) -> None:
    """Use grid search with as many trials as the grid has, or random search if it is infinite."""
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
