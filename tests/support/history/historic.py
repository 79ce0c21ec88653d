"""Earlier studies for tests, made of lists of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuner.history.matching.mapping import MapOptions, Mapped, map_study
from tuner.history.store.records import HistoricStudy, HistoricTrial
from tuner.space import SearchSpace
from tuner.space.encoding import Encoding

#: Takes whatever can be mapped.
ALL = MapOptions(min_trials=1, min_share=0.0)


def make_space(parameters: Mapping[str, Any]) -> SearchSpace:
    """Return the space of definitions as a spec holds them."""
    return SearchSpace.from_json({"parameters": dict(parameters), "forbid": []})


def historic_trial(number: int, params: Mapping[str, Any], **facts: Any) -> HistoricTrial:
    """Return a complete trial whose metric `score` is its number; `facts` are its fields."""
    metrics = {"score": float(number)} if facts.get("state", "complete") == "complete" else {}
    return HistoricTrial(**{"key": str(number), "params": params, "metrics": metrics, **facts})


def historic_study(trials: Sequence[Any], **facts: Any) -> HistoricStudy:
    """Return a study of trials, or of their parameters; `facts` are its other fields."""
    made = tuple(
        trial if isinstance(trial, HistoricTrial) else historic_trial(number, trial)
        for number, trial in enumerate(trials)
    )
    plain: dict[str, Any] = {
        **dict.fromkeys(("space", "data", "code", "image", "finished")),
        "key": "vision/old",
        "kind": "study",
        "locator": "vision/old",
        "constants": {},
        "metrics": {"score": "maximize"},
    }
    return HistoricStudy(**{**plain, **facts, "trials": made})


def mapped(
    parameters: Mapping[str, Any] | SearchSpace,
    study: HistoricStudy,
    options: MapOptions = ALL,
    **renames: str | None,
) -> Mapped:
    """Map a study onto a space whose metric is `score`, to be maximised; the counts must add up."""
    space = parameters if isinstance(parameters, SearchSpace) else make_space(parameters)
    chosen = replace(options, renames=renames or options.renames)
    found = map_study(study, Encoding(space), "score", "maximize", chosen)
    assert found.used + sum(found.dropped.values()) == found.found == len(study.trials)
    return found
