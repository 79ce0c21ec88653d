"""What a study's pruner did, as a part of its pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.markup import escape

from tuner.cli.render.output import duration
from tuner.cli.render.tables import facts
from tuner.service.answers.wording import count

if TYPE_CHECKING:
    from tuner.documents.document import JsonObject
    from tuner.documents.explanations.pruning import PruningAccount

#: Maximum number of trials listed, the newest ones.
_LISTED = 10


def account_facts(account: PruningAccount | None) -> list[tuple[str, RenderableType]]:
    """Return what a pruner saved, and what that may have cost, as labels with their text.

    Args:
        account: from a status; None: the study has no pruner.
    """
    if account is None:
        return []
    rung = account["first_rung"]
    rows: list[tuple[str, RenderableType]] = []
    if account["idle"]:
        rows.append(("pruning", f"{account['pruner']} stopped nothing: {escape(account['idle'])}"))
    elif account["stopped"]:
        rows.append(("pruning", f"{account['pruner']} stopped {_stopped(account)}"))
        rows.append(("winners lost", _lost(account)))
    else:
        rows.append(("pruning", f"{account['pruner']}; no trial has ended yet"))
    if rung is not None:
        at = "" if rung["step"] is None else f"step {rung['step']}: "
        rows.append(("first rung", escape(at + rung["why"])))
        if rung["warning"]:
            rows.append(("", f"[warn]it may mislead: {escape(rung['warning'])}[/]"))
    return rows


def print_account(console: Console, account: PruningAccount | None) -> None:
    """Print what a pruner saved, and what that may have cost; None: nothing."""
    rows = account_facts(account)
    if rows:
        console.print("\n[bold]pruning[/]")
        console.print(facts(rows))


def _stopped(account: PruningAccount) -> str:
    saved = account["saved"]
    stopped = count(account["stopped"], "trial")
    if saved is None:
        return (
            f"{stopped}; no trial has run to its end, so nobody knows what they would have become"
        )
    hours = duration(saved["hours"] * 3600.0)
    epochs = f"about {saved['epochs']:,.0f} epochs".replace(",", " ")
    return (
        f"{stopped}; saved {epochs} ({saved['share']:.0%} of all) and {hours}  "
        "[quiet]as if each had run to its end at its own speed[/]"
    )


def _lost(account: PruningAccount) -> str:
    lost = account["lost"]
    if lost is None:
        return "not known: no trial that the pruner condemned has run on to its end"
    ran = count(account["ran_on"], "condemned trial")
    came = "none" if not lost["good"] else str(lost["good"])
    return (
        f"{lost['share']:.0%} ({lost['low']:.0%} to {lost['high']:.0%})  "
        f"[quiet]{ran} ran on to see: {came} came out among the best "
        f"{count(lost['winners'], 'trial')}[/]"
    )


def print_pruning(console: Console, pruning: JsonObject) -> None:
    """Print what it knew, which trials it stopped, what that saved, and how often it was wrong."""
    console.print("\n[bold]pruning by history[/]")
    console.print(facts(_rows(pruning)))
    trials: Sequence[JsonObject] = pruning["trials"]
    if len(trials) > _LISTED:
        console.print(f"[quiet]the last {_LISTED} of {len(trials)}:[/]")
    for trial in trials[-_LISTED:]:
        console.print(f"[quiet]trial {trial['trial']}[/]  {escape(trial['text'])}")


def _rows(pruning: JsonObject) -> list[tuple[str, RenderableType]]:
    aim = f"not to lose the best {pruning['top']:.0%}, confidence {pruning['confidence']:g}"
    rows: list[tuple[str, RenderableType]] = [
        ("aim", aim),
        ("knows", escape(pruning["summary"])),
        ("stopped", count(pruning["stopped"], "trial")),
    ]
    saved = pruning["saved"]
    if saved is not None and saved["epochs"]:
        text = f"about {saved['epochs']:g} epochs, {saved['share']:.0%} of all"
        estimate = "an estimate: as if each had run to its last epoch"
        rows.append(("saved", f"{text}  [quiet]{estimate}[/]"))
    if pruning["audited"]:
        ran = count(pruning["audited"], "condemned trial")
        wrong = f"{pruning['audited_wrong']} of them ended in the best {pruning['top']:.0%}"
        rows.append(("audited", f"{ran} ran on to see whether that is right; {wrong}"))
    if pruning["trust"] is not None:
        rows.append(("trust", f"{pruning['trust']:.2f}  [quiet]when it condemned last[/]"))
    return rows
