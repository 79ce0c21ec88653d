"""Why a trial was proposed, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.text import Text

from tuner.cli.render.output import number, parameter, styled
from tuner.cli.render.study.explanation import came_out, predicted
from tuner.cli.render.tables import facts
from tuner.service.answers.wording import count
from tuner.visible import visible

if TYPE_CHECKING:
    from tuner.documents.document import JsonObject
    from tuner.documents.explanations.trial_explanation import NearTrial, TrialExplanation
    from tuner.documents.study import MetricGoal


def print_reason(
    console: Console, document: TrialExplanation, metrics: Sequence[MetricGoal], log_root: Path
) -> None:
    """Print why a trial was proposed, what was expected, and which historic trials are near."""
    metric = str(metrics[0]["name"])
    console.print(_summary(document, metric))
    console.print("\n[bold]parameters[/]")
    params = [(name, Text(parameter(value))) for name, value in document["params"].items()]
    console.print(facts(params))
    if document["nearest"]:
        console.print(f"\n[quiet]{_NEAR}[/]")
    for near in document["nearest"]:
        title = f"{escape(near['study'])} {escape(near['trial'])}"
        console.print(f"\n[bold]a historic trial near it[/]  [name]{title}[/]")
        console.print(_near(near, document["params"], log_root))


def _summary(document: TrialExplanation, metric: str) -> RenderableType:
    state = styled(document["state"])
    rows: list[tuple[str, RenderableType]] = [
        ("trial", f"[name]{document['study']} {document['trial']}[/]"),
        ("state", state),
        ("why", escape(document["why"])),
    ]
    rows += [("", escape(text)) for text in document["because"]]
    rows.append(("knew", _known(document)))
    if document["trust"] is not None:
        against = "[quiet]against this study's own results[/]"
        rows.append(("history", f"trusted {document['trust']:.0%} {against}"))
    if document["predicted"] is not None:
        of_ten = "[quiet]nine of ten were to come out between[/]"
        rows.append(("predicted", f"{metric} {predicted(document)}  {of_ten}"))
        if document["predicted_cold"] is not None and document["model"] == "warm+cold":
            alone = f"{document['predicted_cold']:.4g} by this study's own results alone"
            rows.append(("", f"[quiet]{alone}[/]"))
    if document["stop"]:
        rows.append(("pruner", escape(document["stop"]["text"])))
    if len(document["values"]) > 1:
        found = [f"{name} {number(value)}" for name, value in document["values"].items()]
        rows.append(("came out", escape(", ".join(found))))
    elif document["values"] or document["cause"]:
        rows.append(("came out", _outcome(document, metric)))
    return facts(rows)


def _outcome(document: TrialExplanation, metric: str) -> str:
    """Return the trial's result, and whether it was expected."""
    if not document["values"]:
        return came_out(document)
    if not document["is_final"]:
        return f"{metric} {came_out(document)}  [quiet]its last report, not a final value[/]"
    text = f"{metric} {came_out(document)}"
    value, low, high = document["objective"], document["predicted_low"], document["predicted_high"]
    if value is None or low is None or high is None:
        return text
    where = "as foreseen" if low <= value <= high else "outside of that"
    return f"{text}  [quiet]{where}[/]"


_NEAR = "near: the same choices, and every number within a fifth of its range"


def _known(document: TrialExplanation) -> str:
    pending = document["pending"]
    running = f", {count(len(pending), 'trial')} still running" if pending else ""
    history = ", and history" if document["artifact"] is not None else ""
    return f"{count(document['told'], 'result')}{running}{history}"


def _near(near: NearTrial, params: JsonObject, log_root: Path) -> RenderableType:
    value = "-" if near["value"] is None else f"{near['metric']} {number(near['value'])}"
    where = str(log_root / near["run_dir"]) if near["run_dir"] else near["locator"]
    differs = [
        f"{name} {parameter(near['params'].get(name))}"
        for name in params
        if near["params"].get(name) != params[name]
    ]
    rows: list[tuple[str, RenderableType]] = [
        ("result", value),
        ("distance", f"{near['distance']:.3f}  [quiet]of the range, on average; 0: the same[/]"),
        ("differs in", Text(visible(", ".join(differs)) or "nothing")),
        ("files", Text(visible(where))),
    ]
    return facts(rows)
