"""The content of `_study/insights.json`: what the trials of a study say about its parameters.

docs/trials.md has the fields.
"""

from __future__ import annotations

from collections.abc import Callable

from tuner.documents.document import JsonObject
from tuner.documents.importance import Weighed
from tuner.service.importance.weighing import weigh
from tuner.service.insights.advice import advise
from tuner.service.insights.early import begin
from tuner.service.insights.fanova import fanova
from tuner.service.insights.improvement import improvement
from tuner.service.insights.ped_anova import ped_anova
from tuner.service.insights.sample import LEAST, Sample
from tuner.service.insights.widening import next_range
from tuner.storage import Storage


def insights_document(storage: Storage, study_id: int) -> JsonObject | None:
    """Return what the trials of a study say; None: there is no such study.

    It takes seconds, and memory for some thousand trials: to be called in a process of its own.

    Args:
        storage: the truth; it is only read.
    """
    begun = begin(storage, study_id)
    if begun is None:
        return None
    sample, document = begun
    if len(sample) >= LEAST:
        document["importance"], document["edges"] = _weighed(sample)
        document["improvement"] = improvement(sample)
    return {**document, "advice": advise(sample, document)}


def _weighed(sample: Sample) -> tuple[JsonObject, list[JsonObject]]:
    """Return the importance of the parameters, by each method, and the edges."""
    main = weigh(sample.spec, sample.trials)
    methods = {"main_effects": _main_effects(sample, main)}
    frozen = sample.frozen()
    if len(frozen) >= LEAST:
        metrics = len(sample.spec.metrics)
        methods["ped_anova"] = _tried(lambda: ped_anova(sample.tuned, frozen, metrics))
    else:
        methods["ped_anova"] = {"why": f"not known before {LEAST} trials are complete"}
    methods["fanova"] = _tried(lambda: fanova(sample))
    is_any = any(method.get("parameters") for method in methods.values())
    why = "" if is_any else methods["main_effects"]["why"]
    return {"why": why, "methods": methods}, _edges(sample, main)


def _main_effects(sample: Sample, main: Weighed) -> JsonObject:
    active = {
        p.name: sum(p.name in params for params in sample.params) / len(sample)
        for p in sample.tuned
    }
    shares = [] if main["why"] else main["parameters"]
    return {
        "why": main["why"],
        "parameters": [{**item, "active": active.get(item["name"], 0.0)} for item in shares],
    }


def _tried(method: Callable[[], JsonObject]) -> JsonObject:
    """Return what a method of others says, or in words that it failed: the others still hold."""
    try:
        return method()
    except Exception as exc:  # noqa: BLE001 - a library's fault on odd trials is no fault of ours
        return {"why": f"failed: {type(exc).__name__}", "parameters": []}


def _edges(sample: Sample, main: Weighed) -> list[JsonObject]:
    space = sample.spec.space
    return [
        {**item, "try": next_range(space[item["name"]], item["value"])} for item in main["edges"]
    ]
