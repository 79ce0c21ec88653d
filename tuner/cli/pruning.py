"""What the pruner that asks history did in a study, as a part of its page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.markup import escape

from tuner.cli.output import Document
from tuner.cli.tables import facts
from tuner.service.wording import count

#: So many trials are listed; of more the newest.
_LISTED = 10


def print_pruning(console: Console, pruning: Document) -> None:
    """Print what it knew, whom it stopped, what that saved, and how often it was wrong."""
    console.print("\n[bold]pruning by history[/]")
    console.print(facts(_rows(pruning)))
    trials: Sequence[Document] = pruning["trials"]
    if len(trials) > _LISTED:
        console.print(f"[quiet]the last {_LISTED} of {len(trials)}:[/]")
    for trial in trials[-_LISTED:]:
        console.print(f"[quiet]trial {trial['trial']}[/]  {escape(trial['text'])}")


def _rows(pruning: Document) -> list[tuple[str, RenderableType]]:
    aim = f"not to lose the best {pruning['top']:.0%}, confidence {pruning['confidence']:g}"
    rows: list[tuple[str, RenderableType]] = [
        ("aim", aim),
        ("knows", escape(pruning["summary"])),
        ("stopped", count(pruning["stopped"], "trial")),
    ]
    saved = pruning["saved"]
    if saved is not None and saved["epochs"]:
        text = f"about {saved['epochs']:g} epochs, {saved['share']:.0%} of all"
        estimate = "an estimate: as if each had gone on to its last epoch"
        rows.append(("saved", f"{text}  [quiet]{estimate}[/]"))
    if pruning["audited"]:
        ran = count(pruning["audited"], "condemned trial")
        wrong = f"{pruning['audited_wrong']} of them ended in the best {pruning['top']:.0%}"
        rows.append(("audited", f"{ran} ran on to see whether that is right; {wrong}"))
    if pruning["trust"] is not None:
        rows.append(("trust", f"{pruning['trust']:.2f}  [quiet]when it condemned last[/]"))
    return rows
