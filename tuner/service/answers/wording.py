"""The receipt of a study's history in words, for the command line and TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.documents.explanations.explanation import ExplainedProposal, Explanation, Source
from tuner.documents.explanations.gain import Gain
from tuner.documents.explanations.trial_explanation import (
    Comparison,
    Driver,
    EarlierTrial,
    NearestValue,
    ParameterChange,
)

#: Maximum number of a source's parameters that are named before "and N more".
_NOTES = 3
#: Maximum number of a proposal's parameters that are named before that.
_LISTED = 6
#: How a receipt marks what it is not certain of.
GUESS = "(a guess"
#: What a reader can do about it.
VETO = "a guess that is wrong is forbidden in the spec: history: [{path: …, rename: {NAME: null}}]"
#: Below the first share of uncertainty a proposal exploits, above the second it explores.
_EXPLOITS, _EXPLORES = 0.35, 0.65
_BOTH = "exploiting and exploring"
#: Numbers with more decimal places, or at least this large, are written with an exponent.
_PLACES, _PLAIN = 8, 1e7
#: If more than this share of shadows never reached the goal, the range is open.
_OFTEN = 0.1


def count(number: int, noun: str) -> str:
    """Return `1 trial`, `2 trials`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def gain_text(gain: Gain) -> str:
    """Return a sentence about what history gained, or cost."""
    verdict = gain["verdict"]
    if verdict == "none":
        return "none: history chose none of the trials"
    saved, low, high = (round(gain["saved"][key]) for key in ("median", "low", "high"))
    more = " or more" if gain["not_reached"] > _OFTEN else ""
    reached = count(gain["reached_at"], "trial")
    cold = round(gain["cold_trials"]["median"])
    beside = f"after {reached} it was where a cold start would have been after about {cold}"
    if verdict == "saved":
        if low < 0:
            span = f"from {-low} lost to {high}{more} saved"
            return f"perhaps {count(saved, 'trial')} saved ({span}): {beside}"
        return f"about {count(saved, 'trial')} saved ({low} to {high}{more}): {beside}"
    if verdict == "even":
        span = f" (from {-low} lost to {high}{more} saved)" if low or high else ""
        return f"no trials saved{span}: {beside}"
    span = f"{-high} to {-low}" if high <= 0 else f"from {-low} lost to {high}{more} saved"
    return f"not worth it: history cost about {count(-saved, 'trial')} ({span}): {beside}"


def value_text(value: Any) -> str:
    """Return the value of a parameter: four digits; true and false as in YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


def interval_text(middle: float, low: float, high: float) -> str:
    """Return `0.947 (0.931 to 0.962)`, with two digits of the interval's width."""
    width = abs(high - low)
    is_wide = 0 < width < math.inf
    places = max(1 - math.floor(math.log10(width)), 0) if is_wide else _PLACES + 1
    if places > _PLACES or max(map(abs, (middle, low, high))) >= _PLAIN:
        return f"{middle:.4g} ({low:.4g} to {high:.4g})"
    return f"{middle:.{places}f} ({low:.{places}f} to {high:.{places}f})"


def reason_texts(metric: str, proposal: ExplainedProposal, comparison: Comparison) -> list[str]:
    """Return a few sentences about why a model chose a proposal; none if no model did.

    Args:
        metric: name of the study's first metric.
        proposal: what was expected of it.
        comparison: the comparison with the best trial known at the time.
    """
    against, share = comparison["against"], comparison["exploring"]
    if against is None or share is None:
        return []
    best = f"trial {against['trial']}"
    texts = [_search_text(metric, proposal, against, share)]
    drivers = [] if proposal["predicted"] is None else comparison["drivers"]
    texts += [_driver(driver, best) for driver in drivers]
    named = {driver["name"] for driver in drivers}
    rest = [item for item in comparison["changes"] if item["name"] not in named]
    same = [_same(item) for item in rest if item["same"]]
    if same:
        texts.append(f"much as in {best}: {_listed(same)}")
    other = [_other(item) for item in rest if not item["same"] and not item["nearest"]]
    if other:
        texts.append(f"not as in {best}: {_listed(other)}")
    new = [
        _new(item, item["nearest"]) for item in comparison["changes"] if item["nearest"] is not None
    ]
    if new:
        texts.append(f"nothing like it was tried before: {_listed(new)}")
    return texts


def _search_text(
    metric: str, proposal: ExplainedProposal, against: EarlierTrial, share: float
) -> str:
    """Return whether a proposal exploits what is known or explores what is not."""
    words = "exploring" if share > _EXPLORES else "exploiting" if share < _EXPLOITS else _BOTH
    best = f"the best so far ({value_text(against['objective'])}, trial {against['trial']})"
    if proposal["predicted"] is None:
        owed = f"{share:.0%} of the improvement expected is owed to what is not known"
        return f"{words}: {owed}; {best}"
    low, high = value_text(proposal["predicted_low"]), value_text(proposal["predicted_high"])
    expected = f"{words}: {metric} {value_text(proposal['predicted'])} is expected"
    if share < _EXPLOITS:
        return f"{expected}, better than {best}"
    level = "no better than" if share == 1.0 else "a little better than"
    return f"{expected}, {level} {best}, but little is known: {low} to {high}"


def _driver(driver: Driver, best: str) -> str:
    """Return what one parameter contributes to a proposal: a better value, or information."""
    here, there = value_text(driver["value"]), value_text(driver["there"])
    change = f"{driver['name']} {here}, not {there} as in {best}"
    expected = f"with {there}, {value_text(driver['expected'])} would be expected"
    return f"{change}: {expected}" if driver["gains"] else f"{change}: more is to be learnt there"


def _same(item: ParameterChange) -> str:
    here, there = value_text(item["value"]), value_text(item["there"])
    return f"{item['name']} {here}" + ("" if here == there else f" ({there} there)")


def _other(item: ParameterChange) -> str:
    return f"{item['name']} {value_text(item['value'])} ({value_text(item['there'])} there)"


def _new(item: ParameterChange, nearest: NearestValue) -> str:
    here = f"{item['name']} {value_text(item['value'])}"
    if nearest["trial"] is None:
        return here
    return f"{here} (the nearest: {value_text(nearest['value'])}, trial {nearest['trial']})"


def _listed(items: Sequence[str]) -> str:
    more = len(items) - _LISTED
    return ", ".join(items[:_LISTED]) + (f", and {more} more" if more > 0 else "")


def source_notes(source: Source) -> list[str]:
    """Return short notes on a source: everything that differs from this study."""
    notes = []
    if source["kind"] != "study":
        notes.append(f"{source['kind']} at {source['locator']}")
    if source.get("found_at"):  # receipts of earlier releases have no such field
        notes.append(f"has the runs of {source['found_at']}")
    if source["same_data"]:
        notes.append("same data")
    if source["metric_note"]:
        # The study's own name comes first, as for parameters.
        notes.append(f"metric {source['metric']}: {source['metric_note']}")
    if source["agreement"] is not None and source["agreement"] < 0:
        notes.append("says the opposite of the others")
    # Guesses come first, because they may be wrong.
    told = sorted(source["parameters"].items(), key=lambda item: GUESS not in item[1])
    notes += [f"{name}: {note}" for name, note in told[:_NOTES]]
    more = len(source["parameters"]) - _NOTES
    if more > 0:
        notes.append(f"and {count(more, 'more parameter')}")
    if source["dropped"]:
        notes.append(f"not used: {_dropped(source['dropped'])}")
    return notes


def receipt_markdown(explanation: Explanation) -> str:
    """Return the receipt of a study as Markdown, for TensorBoard's text tab."""
    lines = [f"**{explanation['summary']}**", ""]
    if explanation["gain"] is not None:
        lines += [f"Gain: {gain_text(explanation['gain'])}. ({explanation['gain']['method']}.)", ""]
    used = [source for source in explanation["sources"] if not source["left_out"]]
    left = [source for source in explanation["sources"] if source["left_out"]]
    if used:
        lines += ["| learns from | trials used | share | what to know |", "|---|---|---|---|"]
        lines += [_used_row(source) for source in used]
        lines.append("")
    if left:
        lines += ["| left out | trials | why |", "|---|---|---|"]
        lines += [f"| {_cell(s['key'])} | {s['found']} | {_cell(s['left_out'])} |" for s in left]
        lines.append("")
    lines.append(f"`tuner explain {explanation['study']}` says more.")
    return "\n".join(lines)


def _used_row(source: Source) -> str:
    notes = _cell("; ".join(source_notes(source)))
    used = f"{source['used']} of {source['found']}"
    return f"| {_cell(source['key'])} | {used} | {source['share']:.0%} | {notes} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _dropped(dropped: Mapping[str, int]) -> str:
    from tuner.history.matching.outcomes import REASONS

    return ", ".join(f"{number} {REASONS.get(key, key)}" for key, number in dropped.items())
