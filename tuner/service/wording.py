"""What the receipt of a study's history says, in the words of the command line and TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]

#: Parameters of a source that are named before "and so many more".
_NOTES = 3
#: From this share on of shadows that never came so far, the range is open.
_OFTEN = 0.1


def count(number: int, noun: str) -> str:
    """Return `1 trial`, `2 trials`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def gain_text(gain: Document) -> str:
    """Return in a sentence what history gained."""
    saved, cold = gain["saved"], gain["cold_trials"]
    middle = round(saved["median"])
    headline = "no trials saved"
    if middle:
        headline = f"about {count(abs(middle), 'trial')} {'saved' if middle > 0 else 'lost'}"
    more = " or more" if gain["not_reached"] > _OFTEN else ""
    span = f"{round(saved['low'])} to {round(saved['high'])}{more}"
    reached = count(gain["reached_at"], "trial")
    return (
        f"{headline} ({span}): it came near its best after {reached}, "
        f"a cold start would have taken about {round(cold['median'])}"
    )


def source_notes(source: Document) -> list[str]:
    """Return in a few words each what to know of a source: all that is not as in this study."""
    notes = []
    if source["kind"] != "study":
        notes.append(f"{source['kind']} at {source['locator']}")
    if source.get("found_at"):  # receipts of earlier releases have no such field
        notes.append(f"has the runs of {source['found_at']}")
    if source["same_data"]:
        notes.append("same data")
    if source["metric_note"]:
        notes.append(f"metric {source['metric_there']}: {source['metric_note']}")
    if source["agreement"] is not None and source["agreement"] < 0:
        notes.append("says the opposite of the others")
    notes += [f"{name}: {note}" for name, note in list(source["parameters"].items())[:_NOTES]]
    more = len(source["parameters"]) - _NOTES
    if more > 0:
        notes.append(f"and {count(more, 'more parameter')}")
    if source["dropped"]:
        notes.append(f"not used: {_dropped(source['dropped'])}")
    return notes


def receipt_markdown(explanation: Document) -> str:
    """Return the receipt of a study as Markdown, for TensorBoard's text tab."""
    lines = [f"**{explanation['summary']}**", ""]
    if explanation["gain"] is not None:
        lines += [f"{gain_text(explanation['gain'])}. ({explanation['gain']['method']}.)", ""]
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


def _used_row(source: Document) -> str:
    notes = _cell("; ".join(source_notes(source)))
    used = f"{source['used']} of {source['found']}"
    return f"| {_cell(source['key'])} | {used} | {source['share']:.0%} | {notes} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _dropped(dropped: Mapping[str, int]) -> str:
    from tuner.history.outcomes import REASONS

    return ", ".join(f"{number} {REASONS.get(key, key)}" for key, number in dropped.items())
