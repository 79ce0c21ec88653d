"""The content of `_study/insights.json`: what a study's trials say about its parameters.

docs/trials.md describes the fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tuner.documents.importance import Weighed
from tuner.documents.study_folder.insights import (
    ImportanceByMethod,
    ImportanceMethods,
    InsightsDocument,
    MethodImportance,
    NextRange,
    WidenedEdge,
)
from tuner.service.importance.weighing import weigh
from tuner.service.insights.advice import advise
from tuner.service.insights.early import begin
from tuner.service.insights.fanova import fanova
from tuner.service.insights.improvement import improvement
from tuner.service.insights.ped_anova import ped_anova
from tuner.service.insights.sample import LEAST, Sample
from tuner.space.parameter import Parameter
from tuner.space.value import MAX_INT
from tuner.storage import Storage


def insights_document(storage: Storage, study_id: int) -> InsightsDocument | None:
    """Return what a study's trials say; None: there is no such study.

    It takes seconds, and memory for some thousand trials: call it in a separate process.

    Args:
        storage: the database, which is only read.
    """
    begun = begin(storage, study_id)
    if begun is None:
        return None
    sample, document = begun
    if len(sample) >= LEAST:
        document["importance"], document["edges"] = _weighed(sample)
        document["improvement"] = improvement(sample)
    return {**document, "advice": advise(sample, document)}


def _weighed(sample: Sample) -> tuple[ImportanceByMethod, list[WidenedEdge]]:
    """Return the importance of the parameters, by each method, and the edges."""
    main = weigh(sample.spec, sample.trials)
    effects = _main_effects(sample, main)
    frozen = sample.frozen()
    best: MethodImportance = {"why": f"not known before {LEAST} trials are complete"}
    if len(frozen) >= LEAST:
        best = _tried(lambda: ped_anova(sample.tuned, frozen, len(sample.spec.metrics)))
    forest = _tried(lambda: fanova(sample))
    is_any = any(method.get("parameters") for method in (effects, best, forest))
    why = "" if is_any else effects["why"]
    methods: ImportanceMethods = {"main_effects": effects, "ped_anova": best, "fanova": forest}
    return {"why": why, "methods": methods}, _edges(sample, main)


def _main_effects(sample: Sample, main: Weighed) -> MethodImportance:
    active = {
        p.name: sum(p.name in params for params in sample.params) / len(sample)
        for p in sample.tuned
    }
    shares = [] if main["why"] else main["parameters"]
    return {
        "why": main["why"],
        "parameters": [{**item, "active": active.get(item["name"], 0.0)} for item in shares],
    }


def _tried(method: Callable[[], MethodImportance]) -> MethodImportance:
    """Return what a third-party method says, or that it failed: the other methods still hold."""
    try:
        return method()
    except Exception as exc:  # noqa: BLE001 - a library's fault on odd trials is no fault of ours
        return {"why": f"failed: {type(exc).__name__}", "parameters": []}


def _edges(sample: Sample, main: Weighed) -> list[WidenedEdge]:
    space = sample.spec.space
    return [
        {**item, "try": next_range(space[item["name"]], item["value"])} for item in main["edges"]
    ]


#: Number of digits to which bounds are rounded.
_DIGITS = 2
_MOST_FLOAT = 1e300
_TINY = 1e-12


def next_range(parameter: Parameter, value: Any) -> NextRange | None:
    """Return a range of the same width around a value at a bound of the current one.

    Args:
        parameter: a number or an ordinal.

    Returns:
        `low`, `high` and `log`; None for an ordinal: only its author knows what lies beyond its
        list.
    """
    if parameter.kind not in ("float", "int") or not isinstance(value, int | float):
        return None
    low, high = parameter.bounds
    if parameter.log is True:
        half = math.sqrt(high / low)
        ends = (value / half, value * half)
    else:
        half = (high - low) / 2
        ends = (_apart(value, half), _apart(value, -half))
        # Below 0 most numbers are meaningless, unless the range already included negative ones.
        ends = (max(ends[0], 0.0) if low >= 0 else ends[0], ends[1])
    if parameter.kind == "int":
        least = 1 if low >= 1 else -MAX_INT
        lowest = max(math.floor(_round(ends[0])), least)
        highest = min(max(math.ceil(_round(ends[1])), lowest + 1), MAX_INT)
        return {"low": lowest, "high": highest, "log": parameter.log is True}
    first, last = (max(min(_round(at), _MOST_FLOAT), -_MOST_FLOAT) for at in ends)
    return {"low": first, "high": last, "log": parameter.log is True} if first < last else None


def _apart(value: float, by: float) -> float:
    """Return the difference; a rounding error of the subtraction becomes 0."""
    apart = value - by
    return apart if abs(apart) > _TINY * abs(by) else 0.0


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
