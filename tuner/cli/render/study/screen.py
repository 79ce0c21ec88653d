"""One study on one screen: its state, what is running, what it found, what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.markup import escape

from tuner.cli.reading.feed import CLOSED
from tuner.cli.reading.importance import order_of, read_importance
from tuner.cli.render.output import ago, duration, moment, styled
from tuner.cli.render.params import fitted_params, ordered
from tuner.cli.render.study.lessons import edge_facts, importance_text
from tuner.cli.render.study.pruning import account_facts
from tuner.cli.render.tables import bar, best_text, budget_share, budget_text, counts_text, facts
from tuner.cli.render.unfiled import unfiled_facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuner.client import ApiClient
    from tuner.documents.importance import Importance
    from tuner.documents.study import StudyStatus
    from tuner.documents.trial import TrialRow
    from tuner.service.reading import Reader

#: Maximum number of running trials listed.
_RUNNING = 5
_BAR = 20
#: Width of the labels of a page, including the gap.
_LABEL = 14


@dataclass(frozen=True, kw_only=True)
class Screen:
    """The content of a study's page.

    Attributes:
        best: its best trial; None: there is none.
        running: some of the running trials.
        importance: from `tuner.cli.reading.importance`.
    """

    status: StudyStatus
    best: TrialRow | None
    running: Sequence[TrialRow]
    importance: Importance | None


def read_screen(api: Reader | ApiClient, status: StudyStatus) -> Screen:
    """Return what the page of a study needs in addition to its status."""
    study, counts = status["study"], status["counts"]
    best = api.best(study, 1) if counts["complete"] and len(status["metrics"]) == 1 else []
    return Screen(
        status=status,
        best=best[0] if best else None,
        running=api.trials(study, "running", _RUNNING) if counts["running"] else [],
        importance=read_importance(api, study),
    )


def print_screen(console: Console, screen: Screen) -> None:
    """Print the page of a study."""
    status = screen.status
    state = styled(status["state"])
    if status["reason"]:
        state += f"  [quiet]{escape(status['reason'])}[/]"
    rows: list[tuple[str, RenderableType]] = [
        ("study", f"[name]{status['study']}[/]"),
        ("state", state),
        ("metric", ", ".join(f"{m['name']} ({m['goal']})" for m in status["metrics"])),
        ("best", f"[best]{best_text(status)}[/]" if status["best"] else "-"),
        *_best_params(console, screen),
        ("trials", counts_text(status["counts"])),
        ("budget", _budget(console, status)),
        ("workers", str(status["workers"])),
        *_running(console, screen),
        *_lessons(screen),
        *account_facts(status["pruning"]),
        *_unfiled(status),
        ("created", f"{moment(status['created'])}  [quiet]{ago(status['created'])}[/]"),
        *_next(status),
    ]
    console.print(facts(rows))


def _best_params(console: Console, screen: Screen) -> list[tuple[str, RenderableType]]:
    if screen.best is None:
        return []
    return [("", _params(screen, screen.best, console.width - _LABEL))]


def _params(screen: Screen, trial: TrialRow, room: int) -> str:
    order = order_of(screen.importance)
    names = [n for n in ordered(trial["params"], order) if not order or n in order]
    return fitted_params(trial["params"], names, room)


def _budget(console: Console, status: StudyStatus) -> str:
    used, limit = budget_share(status)
    text = budget_text(status["budget"])
    if limit:
        text = f"{bar(console, used / limit, _BAR)}  {text}"
    return text + _left(status)


def _left(status: StudyStatus) -> str:
    """Return an estimate of the time for the remaining trials, from those that have ended."""
    budget = status["budget"]
    if status["state"] != "running" or not budget["trials"] or budget["used"] < 3:
        return ""
    rest = budget["trials"] - budget["used"]
    took_s = budget["used_hours"] * 3600.0 / budget["used"]
    return f", about {duration(took_s * rest)} to go" if rest > 0 else ""


def _running(console: Console, screen: Screen) -> list[tuple[str, RenderableType]]:
    rows: list[tuple[str, RenderableType]] = []
    for at, trial in enumerate(screen.running):
        step = f"at step {trial['last_step']}" if trial.get("last_step") else "no report yet"
        since = ago(trial["started"]).removesuffix(" ago")
        head = f"trial {trial['trial']}, {step}, for {since}  "
        params = _params(screen, trial, console.width - _LABEL - len(head))
        rows.append(("" if at else "running", f"{head}{params}"))
    more = screen.status["counts"]["running"] - len(rows)
    return [*rows, ("", f"[quiet]and {more} more[/]")] if more > 0 and rows else rows


def _lessons(screen: Screen) -> list[tuple[str, RenderableType]]:
    if screen.importance is None:
        return []
    text = importance_text(screen.importance)
    return [*([("matters most", text)] if text else []), *edge_facts(screen.importance)]


def _unfiled(status: StudyStatus) -> list[tuple[str, RenderableType]]:
    # A server of an earlier release does not send it.
    found = status.get("unfiled")
    return unfiled_facts(found["first"], found["total"]) if found else []


def _next(status: StudyStatus) -> list[tuple[str, RenderableType]]:
    """Return what a user may want next; if the study does not advance, its reason says it."""
    study = status["study"]
    if status["state"] in CLOSED:
        commands = [f"tuner best {study}", f"tuner board {study}", f"tuner explain {study}"]
    elif status["state"] == "running" and status["workers"]:
        commands = [f"tuner watch {study}", f"tuner board {study}"]
    else:
        return []
    return [("" if at else "next", f"[quiet]{text}[/]") for at, text in enumerate(commands)]
