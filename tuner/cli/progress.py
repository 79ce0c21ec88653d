"""Live progress of a study: a bar under the trials' lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from tuner.cli.feed import HISTORY_NOTE, PRUNER_NOTE, News
from tuner.cli.output import Document, duration, number
from tuner.cli.tables import best_text, objectives, short_params
from tuner.coordinator.reasons import NO_WORKER

#: Without a terminal, a line about the whole study this often.
_PLAIN_S = 30.0


class StudyProgress:
    """Shows what a `Feed` brings; inside its context the terminal's last line is its own."""

    def __init__(self, console: Console, status: Document) -> None:
        self._console = console
        self._metrics = status["metrics"]
        self._best = (status["best"] or {}).get("objective")
        self._width = len(str(status["budget"].get("trials") or 1000))
        # A reason that is there from the start is news.
        self._last_state = (status["state"], "")
        self._next_line = time.monotonic() + _PLAIN_S
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if console.is_terminal:
            self._bar = _make_bar(console)
            self._task = self._bar.add_task(_headline(status), **_amount(status))

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, news: News) -> None:
        """Print a line for every trial that ended, and bring the bar up to date."""
        if news.not_shown:
            self.say(f"[quiet]… and {news.not_shown} more trials[/]")
        for note in news.notes:
            style = "quiet" if note.startswith((HISTORY_NOTE, PRUNER_NOTE)) else "warn"
            self.say(f"  [{style}]{escape(note)}[/]")
        for trial in news.ended:
            self.say(self._line(trial))
        self._say_state(news.status)
        if self._bar is not None:
            self._bar.update(self._task, description=_headline(news.status), **_amount(news.status))
        elif time.monotonic() >= self._next_line:
            self.say(f"{_headline(news.status)}, {_counts(news.status)}")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._next_line = time.monotonic() + _PLAIN_S
        if self._console.is_terminal:
            # One line a trial, whatever the number of its parameters.
            self._console.print(text, no_wrap=True, overflow="ellipsis")
        else:
            self._console.print(text, soft_wrap=True)

    def _say_state(self, status: Document) -> None:
        # That workers are waited for stands in every line, and those of a run are just starting.
        reason = "" if status["reason"] == NO_WORKER else status["reason"]
        state = (status["state"], reason)
        if state != self._last_state and status["state"] in ("paused", "stopping", "running"):
            self.say(f"[warn]{status['state']}[/] {escape(reason or '')}".rstrip())
        self._last_state = state

    def _line(self, trial: Document) -> str:
        """Return `trial 7  val_accuracy 0.9861  12.3 s  best  learning_rate=0.003 …`."""
        head = f"[quiet]trial[/] {trial['trial']:>{self._width}}"
        took = f"{duration(trial['duration_s']):>9}"
        params = short_params(trial["params"])
        state = trial["state"]
        if state == "COMPLETE":
            is_best = self._is_best(trial["objective"])
            names = [str(metric["name"]) for metric in self._metrics]
            pairs = zip(names, objectives(trial, names), strict=True)
            said = "  ".join(f"{name} {value}" for name, value in pairs)
            style, mark = ("best", "best") if is_best else ("good", "")
            value = f"[{style}]{said:<{self._said_width}}[/]"
            return f"{head}  {value} {took}  [best]{mark:<4}[/]  {params}"
        if state == "PRUNED":
            is_valued = trial["objective"] is not None
            said = f"pruned at {number(trial['objective'])}" if is_valued else "pruned, no number"
            return f"{head}  [warn]{said:<{self._said_width}}[/] {took}  {'':<4}  {params}"
        error = (trial["error"] or "").strip().splitlines()
        why = f" {escape(error[-1])}" if error else ""
        return f"{head}  [bad]failed ({trial['cause']})[/]{why}"

    @property
    def _said_width(self) -> int:
        # Six digits, a sign, a point and an exponent: what `number` may give.
        return max(len("pruned at "), *(len(str(m["name"])) + 1 for m in self._metrics)) + 9

    def _is_best(self, value: float | None) -> bool:
        if value is None or len(self._metrics) != 1:
            return False
        if self._best is not None:
            higher = self._metrics[0]["goal"] == "maximize"
            if not (value > self._best if higher else value < self._best):
                return False
        self._best = value
        return True


def _make_bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("[quiet]{task.fields[counts]}[/]"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        refresh_per_second=4,
    )


def _amount(status: Document) -> Document:
    """Return how far the budget is used, in the limit that is nearest to its end."""
    budget = status["budget"]
    parts = [
        (used, limit)
        for used, limit in (
            (budget["used"], budget.get("trials")),
            (budget.get("used_hours") or 0.0, budget.get("hours")),
        )
        if limit
    ]
    used, limit = max(parts, key=lambda part: part[0] / part[1], default=(0, None))
    return {"completed": used, "total": limit, "counts": _counts(status)}


def _headline(status: Document) -> str:
    budget = status["budget"]
    limit = f"/{budget['trials']}" if budget.get("trials") else ""
    return f"[name]{status['study']}[/] {budget['used']}{limit} trials, best {best_text(status)}"


def _counts(status: Document) -> str:
    counts = status["counts"]
    if status["state"] == "running" and not counts["running"]:
        return "waiting for workers"
    parts = [f"{counts['running']} running"]
    parts += [f"{counts[key]} {word}" for key, word in _WORDS if counts[key]]
    return ", ".join(parts)


_WORDS = (("pruned", "pruned"), ("fail", "failed"))
