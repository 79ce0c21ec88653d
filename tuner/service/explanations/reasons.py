"""Why a trial was proposed: who chose it, what drives it, and compared with which earlier trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.documents.document import JsonObject
from tuner.documents.explanations.trial_explanation import Comparison, NearestValue, ParameterChange
from tuner.proposals.proposal import DEFAULTS
from tuner.space.encoding import Encoding
from tuner.spec import StudySpec
from tuner.trials.trial import Trial

#: The proposals of all trials, in number order.
Records = Sequence[JsonObject]

#: Two values closer than the first, in widths of the range, are about the same; a value without any
#: neighbour closer than the second is new.
_SAME, _NEW = 0.05, 0.1
#: A better value counts from this share of the interval's width on.
_MATTERS = 0.1
#: Models that compare a proposal with earlier trials.
_MODELLED = ("cold", "warm+cold")

_WHY = {
    "prior": "the first choice of history: nothing was known of this study yet",
    "start": "spread over the space: too little was known for a model",
    "cold": "the largest expected improvement by this study's own results",
}


def why_text(record: JsonObject, records: Records, spec: StudySpec) -> str:
    """Return a sentence about who chose a trial, and on which basis."""
    reason = _chosen_by(record)
    start = start_index(record, records, spec)
    text = reason if start is None else f"start_with[{start}]; the rest: {reason}"
    late = record.get("late")
    return text if not late else f"{text}; met while it ran: {', '.join(late)}"


def history_share(record: JsonObject, records: Records, spec: StudySpec) -> float:
    """Return the share of history in the choice of a trial, from 0 to 1."""
    insight = record.get("insight") or {}
    is_told = record.get("retry_of") is not None or start_index(record, records, spec) is not None
    if is_told or record.get("preparation") == "missed":
        return 0.0
    if insight.get("model") == "prior":
        return 1.0
    return float(insight.get("trust") or 0.0) if insight.get("model") == "warm+cold" else 0.0


def start_index(record: JsonObject, records: Records, spec: StudySpec) -> int | None:
    """Return which of the starting configurations a trial used, None if none."""
    if not spec.start_with or record.get("retry_of") is not None or "trials" not in record:
        return None
    earlier = records[: record["trials"]]
    turn = sum(other.get("retry_of") is None for other in earlier)
    return turn if turn < len(spec.start_with) else None


def _chosen_by(record: JsonObject) -> str:
    if record.get("retry_of") is not None:
        return f"trial {record['retry_of']} failed, and a user had it tried again"
    sampler = record["sampler"]
    if record.get("preparation") == "missed":
        return "at random: the sampler was not ready in time"
    if sampler == "random" and record.get("try"):
        return "at random: the sampler proposed only what was tried or is forbidden"
    if sampler == DEFAULTS:
        return "nobody: it has the hypermodel's own defaults, and was to find the parameters"
    if sampler == "listed":
        return "one of the last configurations that were left"
    insight = record.get("insight") or {}
    if insight.get("model") == "warm+cold":
        trust = insight.get("trust")
        share = f", trusted {trust:.0%}," if trust is not None else ""
        return f"the largest expected improvement by history{share} and this study's own results"
    return _WHY.get(insight.get("model", ""), f"by sampler {sampler}")


def compared(
    record: JsonObject, params: JsonObject, trials: Sequence[Trial], spec: StudySpec
) -> Comparison:
    """Return how a proposal differs from the best trial known then, and what drives it."""
    insight = record.get("insight") or {}
    nothing: Comparison = {"exploring": None, "against": None, "drivers": [], "changes": []}
    recorded = insight.get("against")
    if insight.get("model") not in _MODELLED or recorded is None:
        return nothing
    known = [trial for trial in trials if trial.told is not None and trial.told <= record["told"]]
    against = next((trial for trial in known if trial.number == recorded["trial"]), None)
    if against is None:
        return nothing
    there = against.params
    return {
        "exploring": recorded["exploring"],
        "against": {"trial": against.number, "objective": against.objective},
        "drivers": [
            {
                "name": driver["name"],
                "gains": _gains(insight, driver, spec),
                "value": params.get(driver["name"]),
                "there": there.get(driver["name"]),
                "expected": driver["mean"],
                "expected_low": driver["low"],
                "expected_high": driver["high"],
            }
            for driver in recorded["drivers"]
        ],
        "changes": _changes(Encoding(spec.space), params, there, known),
    }


def _gains(insight: JsonObject, driver: JsonObject, spec: StudySpec) -> bool:
    """Whether a parameter's value was chosen for a better result rather than for information."""
    sign = -1.0 if spec.metrics[0].goal == "maximize" else 1.0
    width = abs(insight["objective_high"] - insight["objective_low"])
    return bool(sign * (driver["mean"] - insight["objective_mean"]) > _MATTERS * width)


def _changes(
    encoding: Encoding, params: JsonObject, there: JsonObject, known: Sequence[Trial]
) -> list[ParameterChange]:
    """Return each tuned parameter of a proposal next to the value in another trial."""
    tried = [(trial.number, trial.params) for trial in known]
    return [
        {
            "name": name,
            "value": params[name],
            "there": there.get(name),
            "same": name in there and _apart(encoding, name, params[name], there[name]) <= _SAME,
            "nearest": _nearest(encoding, name, params[name], tried),
        }
        for name in encoding.names
        if name in params
    ]


def _nearest(
    encoding: Encoding, name: str, value: Any, tried: Sequence[tuple[int, JsonObject]]
) -> NearestValue | None:
    """Return the nearest value to a new one; None if it is not new."""
    found = [
        (_apart(encoding, name, value, other[name]), number, other[name])
        for number, other in tried
        if name in other
    ]
    if not found:
        return {"trial": None, "value": None}
    apart, number, nearest = min(found, key=lambda item: item[:2])
    return {"trial": number, "value": nearest} if apart > _NEW else None


def _apart(encoding: Encoding, name: str, left: Any, right: Any) -> float:
    """Return the distance of two values, in widths of the range; choices: 0 or 1."""
    if encoding.axes[encoding.index(name)].kind == "choice":
        return float(left != right)
    try:
        return abs(encoding.unit(name, left) - encoding.unit(name, right))
    except ValueError:
        return 1.0
