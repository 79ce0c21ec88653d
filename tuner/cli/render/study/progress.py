"""Live progress of a study: a bar below the trials' lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from tuner.cli.reading.feed import HISTORY_NOTE, PRUNER_NOTE, SPACE_NOTE, News
from tuner.cli.render.output import duration, number
from tuner.cli.render.params import fitted_params, ordered
from tuner.cli.render.tables import best_text, budget_share, objectives
from tuner.trials.wait_reasons import NO_WORKER, STARTING

if TYPE_CHECKING:
    from tuner.documents.study import CountWord, StudyStatus
    from tuner.documents.trial import TrialDetail, TrialRow

#: Without a terminal, seconds between lines about the whole study.
_PLAIN_S = 30.0
WAITING = "waiting for workers"
#: Below this number of columns the lines of trials and the bar are short.
_NARROW = 100


class StudyProgress:
    """Shows what a `Feed` brings; inside its context it owns the terminal's last line.

    Args:
        first_waits_for: what is being waited for until a trial runs.
    """

    def __init__(
        self, console: Console, status: StudyStatus, *, first_waits_for: str = WAITING
    ) -> None:
        self._console = console
        self._waits_for = first_waits_for
        self._metrics = status["metrics"]
        self._best = None if status["best"] is None else status["best"]["objective"]
        self._width = len(str(status["budget"].get("trials") or 1000))
        # A reason that exists from the start counts as news.
        self._last_state = (status["state"], "")
        self._next_line = time.monotonic() + _PLAIN_S
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if console.is_interactive:
            self._bar = _make_bar(console)
            self._task = self._bar.add_task(**self._amount(status))

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, news: News) -> None:
        """Print a line for every trial that ended, and update the bar."""
        if news.not_shown:
            self.say(f"[quiet]… and {news.not_shown} more trials[/]")
        for note in news.notes:
            is_quiet = note.startswith((HISTORY_NOTE, PRUNER_NOTE, SPACE_NOTE))
            style = "quiet" if is_quiet else "warn"
            self.say(f"  [{style}]{escape(note)}[/]", wraps=True)
        for trial in news.ended:
            self.say(self._line(trial, news.order))
        self._say_state(news.status)
        if self._bar is not None:
            self._bar.update(self._task, **self._amount(news.status))
        elif time.monotonic() >= self._next_line:
            self.say(f"{_headline(news.status)}, {self._counts(news.status)}")

    def say(self, text: str, *, wraps: bool = False) -> None:
        """Print a line above the bar; on a terminal it is cut, with a mark, unless it `wraps`."""
        self._next_line = time.monotonic() + _PLAIN_S
        if self._console.is_interactive and not wraps:
            # One line for each trial, whatever the number of its parameters.
            self._console.print(text, no_wrap=True, overflow="ellipsis")
        else:
            self._console.print(text, soft_wrap=not self._console.is_interactive)

    def _say_state(self, status: StudyStatus) -> None:
        # Every line says that workers are being waited for, and those of a run are just starting.
        reason = "" if status["reason"].startswith(_AWAITED) else status["reason"]
        state = (status["state"], reason)
        if state != self._last_state and status["state"] in ("paused", "stopping", "running"):
            text = f"[warn]{status['state']}[/] {escape(reason or '')}".rstrip()
            self.say(text, wraps=True)
        self._last_state = state

    def _line(self, trial: TrialDetail, order: Sequence[str]) -> str:
        """Return `trial 7  val_accuracy 0.9861  12.3 s  best  learning_rate=0.003 …`."""
        head = f"[quiet]trial[/] {trial['trial']:>{self._width}}"
        if trial["state"] not in ("COMPLETE", "PRUNED"):
            error = (trial["error"] or "").strip().splitlines()
            why = f" {escape(error[-1])}" if error else ""
            return f"{head}  [bad]failed ({trial['cause']})[/]{why}"
        is_best = trial["state"] == "COMPLETE" and self._is_best(trial["objective"])
        style = "warn" if trial["state"] == "PRUNED" else "best" if is_best else "good"
        line = f"{head}  {self._outcome(trial, style, is_best=is_best)}  "
        names = ordered(trial["params"], order)
        if order:  # those that are fixed are the same in every line
            names = [name for name in names if name in order]
        room = self._console.width - cell_len(Text.from_markup(line).plain)
        return line + fitted_params(trial["params"], names, room)

    def _outcome(self, trial: TrialRow, style: str, *, is_best: bool) -> str:
        """Return value, duration and whether it is the best, in columns."""
        names = [str(metric["name"]) for metric in self._metrics]
        values = objectives(trial, names)
        took = duration(trial["duration_s"])
        is_pruned = trial["state"] == "PRUNED"
        best = "best" if is_best else ""
        if self._is_narrow:
            value = " ".join(f"{value:<9}" for value in values)
            word = "pruned" if is_pruned else best
            return f"[{style}]{escape(value)} {word:<6}[/] {took:>6}"
        if not is_pruned:
            said = "  ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
        elif trial["objective"] is not None:
            said = f"pruned at {number(trial['objective'])}"
        else:
            said = "pruned, no number"
        return f"[{style}]{escape(said):<{self._said_width}}[/] {took:>9}  [best]{best:<4}[/]"

    @property
    def _said_width(self) -> int:
        # Six digits, a sign, a point and an exponent: the maximum that `number` returns.
        return max(len("pruned at "), *(len(str(m["name"])) + 1 for m in self._metrics)) + 9

    @property
    def _is_narrow(self) -> bool:
        return self._console.width < _NARROW

    def _amount(self, status: StudyStatus) -> dict[str, Any]:
        """Return how much of the budget is used, and the words around the bar."""
        used, limit = budget_share(status)
        headline = _headline(status, is_narrow=self._is_narrow)
        return {
            "description": headline,
            "completed": used,
            "total": limit,
            "counts": self._counts(status),
        }

    def _counts(self, status: StudyStatus) -> str:
        counts = status["counts"]
        if status["state"] == "running" and not counts["running"]:
            has_reason = status["reason"] and not status["reason"].startswith(_AWAITED)
            return status["reason"].partition(";")[0] if has_reason else self._waits_for
        self._waits_for = WAITING
        parts = [f"{counts['running']} running"]
        parts += [f"{counts[key]} {word}" for key, word in _WORDS if counts[key]]
        return ", ".join(parts)

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
        BarColumn(bar_width=24 if console.width >= _NARROW else 8),
        TextColumn("[quiet]{task.fields[counts]}[/]"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        refresh_per_second=4,
    )


def _headline(status: StudyStatus, *, is_narrow: bool = False) -> str:
    budget = status["budget"]
    limit = f"/{budget['trials']}" if budget.get("trials") else ""
    if is_narrow:
        return f"{budget['used']}{limit}, best {best_text(status)}"
    return f"[name]{status['study']}[/] {budget['used']}{limit} trials, best {best_text(status)}"


#: Reasons that a run need not show: its workers are about to come.
_AWAITED = (NO_WORKER, STARTING)
_WORDS: tuple[tuple[CountWord, str], ...] = (("pruned", "pruned"), ("fail", "failed"))
