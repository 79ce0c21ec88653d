"""The receipt of a study's history as a page: what was used, how much it was trusted, the gain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from tuner.cli.render.output import moment, number
from tuner.cli.render.study.pruning import print_account, print_pruning
from tuner.cli.render.tables import facts
from tuner.service.answers.wording import GUESS, VETO, count, gain_text, interval_text, source_notes

if TYPE_CHECKING:
    from tuner.documents.explanations.explanation import (
        ArtifactUse,
        ExplainedProposal,
        Explanation,
        Source,
    )
    from tuner.documents.explanations.gain import Gain
    from tuner.documents.study import MetricGoal


def print_explanation(
    console: Console, document: Explanation, metrics: Sequence[MetricGoal]
) -> None:
    """Print what a study took from history, how it used it, and what that gained."""
    console.print(_summary(document))
    used = [source for source in document["sources"] if not source["left_out"]]
    left = [source for source in document["sources"] if source["left_out"]]
    several = len(metrics) > 1
    if used:
        _print_used(console, used, several=several)
    if left:
        _head(console, "studies left out")
        console.print(_left_out(left, several=several))
    if len(document["artifacts"]) > 1:
        _head(console, "what it knew over time")
        console.print(_artifacts(document["artifacts"]))
    if document["gain"] is not None and document["gain"]["curve"]:
        name = str(metrics[0]["name"])
        _head(console, f"the best {name} by number of trials")
        console.print(_curve(document["gain"]))
        console.print(f"[quiet]{escape(document['gain']['method'])}[/]")
    print_account(console, document.get("pruning_account"))
    if document["pruning"] is not None:
        print_pruning(console, document["pruning"])
    if any(row["model"] is not None for row in document["proposals"]):
        _head(console, "proposals")
        console.print(_proposals(document["proposals"]))
        for line in _terms(document["proposals"]):
            console.print(f"[quiet]{line}[/]")


def _print_used(console: Console, used: Sequence[Source], *, several: bool) -> None:
    _head(console, "studies it learns from")
    console.print(_sources(used, several=several))
    if any(GUESS in note for source in used for note in source_notes(source)):
        console.print(f"[quiet]{escape(VETO)}[/]")


def _head(console: Console, title: str) -> None:
    console.print(f"\n[bold]{title}[/]")


def _summary(document: Explanation) -> RenderableType:
    history = document["history"]
    words = history if isinstance(history, str) else f"{count(len(history), 'place')} of the spec"
    rows: list[tuple[str, RenderableType]] = [
        ("study", f"[name]{document['study']}[/]"),
        ("sampler", document["sampler"]),
        ("history", words),
        ("used", escape(document["summary"])),
    ]
    if document["gain"] is not None:
        rows.append(("gain", _gain(document["gain"])))
    elif document["state"] == "informed":
        rows.append(("gain", "[quiet]not known before 5 results of one metric that differ[/]"))
    return facts(rows)


def history_facts(document: Explanation) -> list[tuple[str, RenderableType]]:
    """Return what a study took from history and gained by it, in a labelled line; or nothing."""
    if document["state"] not in ("informed", "cold"):
        return []
    summary = escape(document["summary"])
    if document["state"] == "cold":
        return [("history", f"{summary}; later studies learn from this one")]
    rows: list[tuple[str, RenderableType]] = [("history", summary)]
    return [*rows, ("", _gain(document["gain"]))] if document["gain"] is not None else rows


_STYLES = {"saved": "good", "even": "name", "cost": "warn", "none": "name"}


def _gain(gain: Gain) -> str:
    head, mark, rest = gain_text(gain).partition(" (")
    is_sure = gain["verdict"] != "saved" or gain["saved"]["low"] >= 0
    return f"[{_STYLES[gain['verdict']] if is_sure else 'name'}]{head}[/]{mark}{rest}"


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        header_style="bold",
        show_edge=False,
    )
    for name, justify in columns:
        table.add_column(
            escape(name), justify="right" if justify == "right" else "left", overflow="fold"
        )
    return table


def _sources(rows: Sequence[Source], *, several: bool) -> Table:
    head = [("study", "left"), ("used", "right"), ("share", "right"), ("what to know", "left")]
    table = _table(*([("metric", "left")] if several else []), *head)
    for row in rows:
        used = f"{row['used']} of {row['found']}"
        cells = [
            escape(row["key"]),
            used,
            f"{row['share']:.0%}",
            escape("; ".join(source_notes(row))),
        ]
        table.add_row(*([escape(row["metric"])] if several else []), *cells)
    return table


def _left_out(rows: Sequence[Source], *, several: bool) -> Table:
    head = [("study", "left"), ("trials", "right"), ("why", "left")]
    table = _table(*([("metric", "left")] if several else []), *head)
    for row in rows:
        cells = [escape(row["key"]), str(row["found"]), escape(row["left_out"])]
        table.add_row(*([escape(row["metric"])] if several else []), *cells)
    return table


def _artifacts(rows: Sequence[ArtifactUse]) -> Table:
    table = _table(("learnt", "left"), ("trials", "right"), ("shares", "left"))
    for row in rows:
        shares = [
            f"{escape(name)} {share:.0%}"
            for by_source in row["shares"].values()
            for name, share in sorted(by_source.items(), key=lambda item: -item[1])
            if share > 0
        ]
        first, last = row["first_trial"], row["last_trial"]
        trials = "none" if first is None else str(first) if first == last else f"{first} to {last}"
        table.add_row(moment(row["learnt"]), trials, ", ".join(shares))
    return table


def _curve(gain: Gain) -> Table:
    table = _table(
        ("trials", "right"), ("this study", "right"), ("a cold start", "right"), ("80 %", "right")
    )
    for mark in gain["curve"]:
        cold = mark["cold"]
        table.add_row(
            str(mark["trials"]),
            number(mark["best"]),
            _four(cold["median"]),
            f"{_four(cold['low'])} to {_four(cold['high'])}",
        )
    return table


def _proposals(rows: Sequence[ExplainedProposal]) -> Table:
    has_trust = any(row["trust"] is not None for row in rows)
    several = max((row["values"] for row in rows), key=len)
    came = f"came out ({', '.join(several)})" if len(several) > 1 else "came out"
    table = _table(
        ("trial", "right"),
        ("chosen by", "left"),
        *([("history", "right")] if has_trust else []),
        ("predicted", "right"),
        (came, "right"),
    )
    last = rows[0]["trial"] - 1
    for row in rows:
        if row["trial"] != last + 1:
            table.add_row("…")
        last = row["trial"]
        trust = "-" if row["trust"] is None else f"{row['trust']:.0%}"
        cells = [str(row["trial"]), chosen_by(row), *([trust] if has_trust else [])]
        table.add_row(*cells, predicted(row), came_out(row))
    return table


#: Who chose a trial, in a few words.
_PRIOR, _BOTH = "history alone", "history and results"
_COLD, _START, _HASTE = "its results alone", "spread over the space", "at random, in haste"
_MODELS = {"prior": _PRIOR, "warm+cold": _BOTH, "cold": _COLD, "start": _START}
_MEANINGS = {
    _PRIOR: "the first choice of earlier studies: nothing was known of this one yet",
    _BOTH: "a model of earlier studies and of this one's results",
    _COLD: "a model of this study's results",
    _START: "where most is learnt of it, before a model can say anything",
    _HASTE: "the sampler was not ready when a worker was free, and nobody waits for it",
    "random": "the sampler found only what was tried or is forbidden",
    "listed": "one of the last configurations that were left",
    "retry": "a failed trial that a user had tried again",
    "defaults": "the hypermodel's own, by which its parameters were found",
}


def _terms(rows: Sequence[ExplainedProposal]) -> list[str]:
    """Return what the words of the table mean, limited to those that occur in it."""
    used = dict.fromkeys(chosen_by(row) for row in rows)
    lines = [f"{word}: {_MEANINGS[word]}" for word in used if word in _MEANINGS]
    if any(row["trust"] is not None for row in rows):
        lines.append("history: how far it was trusted against this study's own results")
    if any(row["predicted"] is not None for row in rows):
        lines.append("predicted: what was expected, and between what nine of ten were to come out")
    if any(_is_stopped(row) for row in rows):
        lines.append("pruned at: the last value reported before it was stopped, not a final one")
    return lines


def chosen_by(row: ExplainedProposal) -> str:
    """Return who chose a trial, in a few words."""
    if row["preparation"] == "missed":
        return _HASTE
    return _MODELS.get(row["model"] or "", str(row["sampler"]))


def predicted(row: ExplainedProposal) -> str:
    """Return what was expected of a trial, in the metric's unit."""
    value, low, high = row["predicted"], row["predicted_low"], row["predicted_high"]
    if value is None or low is None or high is None:
        return "-"
    return interval_text(value, low, high)


def came_out(row: ExplainedProposal) -> str:
    """Return the result of a trial; what is not a final value is marked."""
    if not row["values"]:
        word = {"FAIL": "failed"}.get(row["state"], row["state"].lower())
        return f"{word}: {row['cause']}" if row["cause"] else word
    text = ", ".join(map(number, row["values"].values()))
    return f"[warn]pruned at {text}[/]" if _is_stopped(row) else text


def _is_stopped(row: ExplainedProposal) -> bool:
    return bool(row["values"]) and not row["is_final"]


def _four(value: float) -> str:
    return f"{value:.4g}"
