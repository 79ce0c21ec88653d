"""Advice in plain words: what the insights of a study mean for those who continue it."""

from __future__ import annotations

from collections.abc import Iterator

from tuner.documents.study_folder.insights import (
    Advice,
    HistorySay,
    ImportanceMethods,
    Improvement,
    InsightsDocument,
    MethodImportance,
    WidenedEdge,
)
from tuner.service.answers.wording import count, interval_text, value_text
from tuner.service.insights.sample import Sample

#: Minimum number of results before a parameter is said to matter little.
_LEAST = 30
#: Its share, including all of its pairs, is at most this by every method.
_LITTLE = 0.03
#: It must have varied in at least this share of the trials.
_ACTIVE = 0.2
#: From this share on, a parameter is said to matter.
_MUCH = 0.1
#: Maximum number of sentences of one kind.
_MOST = 5
#: From the first probability on, a better value is likely; below the second, unlikely.
_LIKELY, _UNLIKELY = 0.6, 0.1
#: Minimum share of trials stopped early that is worth mentioning.
_PRUNED = 0.2


def advise(sample: Sample, document: InsightsDocument) -> list[Advice]:
    """Return what to know and to do, most important first.

    Args:
        document: its insights, without advice.

    Returns:
        For each its `kind`, its `text`, and the `parameter` that it is about, if any.
    """
    methods = document["importance"]["methods"]
    return [
        *_matters(methods),
        *_edges(document["edges"]),
        *_more_trials(sample, document["improvement"]),
        *_little(sample, methods),
        *_pruning(sample),
        *_history(document["history"]),
    ]


def _shares(method: MethodImportance | None) -> dict[str, float]:
    listed = [] if method is None else method.get("parameters", [])
    return {item["name"]: share for item in listed if (share := item["share"]) is not None}


def _matters(methods: ImportanceMethods) -> Iterator[Advice]:
    main = _shares(methods.get("main_effects"))
    for name, share in sorted(main.items(), key=lambda item: -item[1])[:_MOST]:
        if share >= _MUCH:
            text = f"{name} accounts for {share:.0%} of what the parameters explain one by one"
            yield {"kind": "matters", "text": text, "parameter": name}


def _edges(edges: list[WidenedEdge]) -> Iterator[Advice]:
    for edge in edges[:_MOST]:
        end = "lower" if edge["end"] == "low" else "upper"
        spans = f"{value_text(edge['low'])} to {value_text(edge['high'])}"
        text = (
            f"{edge['name']}: the best values lie at the {end} end of its range "
            f"({value_text(edge['value'])} of {spans})"
        )
        tried = edge["try"]
        if tried is None:
            beyond = "below" if edge["end"] == "low" else "beyond"
            text += f"; add values {beyond} {value_text(edge['value'])} in the next study"
        else:
            log = ", on a logarithmic scale" if tried["log"] else ""
            low, high = value_text(tried["low"]), value_text(tried["high"])
            text += f"; try {low} to {high} in the next study{log}"
        yield {"kind": "edge", "text": text, "parameter": edge["name"]}


def _more_trials(sample: Sample, improvement: Improvement | None) -> Iterator[Advice]:
    """Say whether more trials are likely to pay off, and how certain that is."""
    if improvement is None or improvement["chance"] is None:
        return
    chance, ahead = improvement["chance"], improvement["next_trials"]
    verb = "will probably" if chance >= _LIKELY else "may" if chance >= _UNLIKELY else "will hardly"
    trials = "the next trial" if ahead == 1 else f"the next {ahead} trials"
    text = f"{trials} {verb} find a better value: chance about {chance:.0%}"
    expected, low, high = improvement["expected"], improvement["low"], improvement["high"]
    if expected is not None and low is not None and high is not None:
        name = sample.spec.metrics[0].name
        text += f"; the best {name} then: {interval_text(expected, low, high)}"
    yield {"kind": "more_trials", "text": text}


def _little(sample: Sample, methods: ImportanceMethods) -> Iterator[Advice]:
    """Say which parameters matter in no method; nothing if a method could not be applied."""
    main, best = _shares(methods.get("main_effects")), _shares(methods.get("ped_anova"))
    if len(sample) < _LEAST or not main or not best:
        return
    fanova = methods.get("fanova")
    alone, pairs = _shares(fanova), [] if fanova is None else fanova.get("pairs", [])
    found = []
    for parameter in sample.tuned:
        name = parameter.name
        active = sum(name in params for params in sample.params) / len(sample)
        joint = sum(pair["share"] for pair in pairs if name in pair["names"])
        shares = (main.get(name, 0.0), best.get(name, 0.0), alone.get(name, 0.0) + joint)
        if active >= _ACTIVE and max(shares) <= _LITTLE:
            found.append(name)
    for name in found[:_MOST]:
        text = f"{name} hardly matters in what was tried: fix it, and the search has less to find"
        yield {"kind": "little", "text": text, "parameter": name}
    if len(found) > _MOST:
        text = f"nor do {count(len(found) - _MOST, 'more parameter')}"
        yield {"kind": "little", "text": text}


def _pruning(sample: Sample) -> Iterator[Advice]:
    if sample.total and sample.pruned / sample.total >= _PRUNED:
        share = sample.pruned / sample.total
        text = f"{share:.0%} of the trials were stopped early; they count with their last report"
        yield {"kind": "pruning", "text": text}


def _history(history: list[HistorySay]) -> Iterator[Advice]:
    chosen = sum(item["proposed_by_history"] for item in history)
    if not chosen:
        return
    text = f"history chose {chosen} of {count(len(history), 'trial')}"
    trusts = [item["trust"] for item in history if item["trust"] is not None]
    if trusts:
        text += f"; it is trusted {trusts[-1]:.0%} now, {trusts[0]:.0%} at first"
    yield {"kind": "history", "text": text}
