"""The best trials as a table: as many parameters as fit, most important first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tuner.cli.reading.importance import order_of, read_importance
from tuner.cli.render.output import duration, number, parameter, styled
from tuner.cli.render.params import cut, fitted_params, header, ordered, params_text, short_names
from tuner.cli.render.tables import GAP, empty_table, objectives

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.study import MetricGoal, TrialCounts
    from tuner.documents.trial import TrialRow
    from tuner.service.reading import Reader

#: Minimum number of parameters; showing these takes precedence over a trial's duration and state.
_LEAST = 3


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """The content of a leaderboard.

    Attributes:
        rows: trials, best first.
        metrics: the study's metrics with their goals.
        order: the names of its tuned parameters, most important first; empty: unknown.
        all_params: show every parameter, however many there are.
        counts: number of the study's trials by state; None: unknown.
        pruned: the best pruned trial, if it is not among the rows.
    """

    rows: Sequence[TrialRow]
    metrics: Sequence[MetricGoal]
    order: Sequence[str] = ()
    all_params: bool = False
    counts: TrialCounts | None = None
    pruned: TrialRow | None = None

    @property
    def missing(self) -> str:
        """Why there are no rows."""
        counts = [f"{n} {state}" for state, n in (self.counts or {}).items() if n]
        return "no trial is complete yet" + (f" ({', '.join(counts)})" if counts else "")


def read_board(
    api: Reader | ApiClient, study: str, rows: Sequence[TrialRow], *, all_params: bool = False
) -> Leaderboard:
    """Return the leaderboard for these rows, with its additional data."""
    status = api.status(study)
    counts = status["counts"]
    complete = sum(row["state"] == "COMPLETE" for row in rows)
    pruned = None
    # If all complete trials are shown, the reader notices that pruned ones are missing.
    if counts["pruned"] and complete == len(rows) == counts["complete"]:
        pruned = api.best(study, complete + 1, all=True)[-1]
    return Leaderboard(
        rows=rows,
        metrics=status["metrics"],
        order=order_of(read_importance(api, study)),
        all_params=all_params,
        counts=counts,
        pruned=pruned,
    )


def print_board(console: Console, board: Leaderboard) -> None:
    """Print the leaderboard and its notes."""
    table, hidden = _table(board, console.width)
    console.print(table)
    for note in _notes(board, hidden, console.width):
        console.print(note, soft_wrap=not console.is_terminal)


def varied_parameters(rows: Sequence[TrialRow]) -> list[str]:
    """Return the names whose values differ between rows, in the spec's order; all for one row."""
    names = list(dict.fromkeys(name for row in rows for name in row["params"]))
    if len(rows) < 2:
        return names
    first = rows[0]["params"]
    return [
        name
        for name in names
        if any(row["params"].get(name) != first.get(name) for row in rows[1:])
    ]


def pruned_note(rows: Sequence[TrialRow], metrics: Sequence[MetricGoal]) -> str:
    """Return why complete trials rank above pruned ones, if these look better; else nothing.

    Args:
        rows: complete trials, then pruned ones, each group best first.
    """
    complete = [row for row in rows if row["state"] == "COMPLETE"]
    pruned = next((row for row in rows if row["state"] == "PRUNED"), None)
    if pruned is None or not complete or len(metrics) != 1:
        return ""
    worst, shown = complete[-1]["objective"], pruned["objective"]
    higher = metrics[0]["goal"] == "maximize"
    if shown is None or worst is None or not (shown > worst if higher else shown < worst):
        return ""
    step = pruned.get("last_step")
    at = f" at step {step}" if step else ""
    return (
        f"A complete {number(worst)} (trial {complete[-1]['trial']}) stands above a pruned "
        f"{number(shown)} (trial {pruned['trial']}): that is what the trial last reported{at}, "
        f"before it was stopped, and no result."
    )


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A column: its name, and a cell for each row, as plain text and as markup."""

    name: str
    texts: Sequence[str]
    markup: Sequence[str] = ()
    justify: Literal["left", "right"] = "right"
    is_quiet: bool = False
    folds: bool = False

    @property
    def width(self) -> int:
        """Columns on the screen, including the gap."""
        return max(map(cell_len, [*header(self.name).split("\n"), *self.texts])) + GAP

    @property
    def cells(self) -> list[str]:
        """The cells as rich markup."""
        return list(self.markup) or [escape(text) for text in self.texts]


def _table(board: Leaderboard, width: int) -> tuple[Table, int]:
    """Return the table, and how many of the varied parameters it leaves out."""
    columns, hidden = _columns(board, width)
    table = empty_table()
    for column in columns:
        table.add_column(
            escape(header(column.name)),
            justify=column.justify,
            style="quiet" if column.is_quiet else None,
            no_wrap=not column.folds,
            overflow="fold",
        )
    has_best = len(board.metrics) == 1 and board.rows[0]["state"] == "COMPLETE"
    for at, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        table.add_row(*cells, style="best" if has_best and at == 0 else None)
    return table, hidden


def _columns(board: Leaderboard, width: int) -> tuple[list[_Column], int]:
    head, params = _head(board), _params(board)
    took = [_Column(name="duration", texts=[duration(row["duration_s"]) for row in board.rows])]
    states = [_states(board.rows)]
    is_plain = all(row["state"] == "COMPLETE" for row in board.rows)
    # On a narrow screen a parameter is more useful than a duration, or the fact that all are
    # complete.
    tails = [(took, states), ([], states), *([([], [])] if is_plain else [])]
    for before, after in tails:
        room = width - sum(column.width for column in [*head, *before, *after])
        shown = _fitting(params, room)
        if shown >= min(_LEAST, len(params)):
            break
    hidden = len(params) - shown
    if board.all_params and hidden:
        return [*head, *before, _listed(board), *after], 0
    return [*head, *before, *params[:shown], *after], hidden


def _head(board: Leaderboard) -> list[_Column]:
    names = [str(metric["name"]) for metric in board.metrics]
    values = [objectives(row, names) for row in board.rows]
    return [
        _Column(name="#", texts=[str(at + 1) for at in range(len(board.rows))], is_quiet=True),
        _Column(name="trial", texts=[str(row["trial"]) for row in board.rows]),
        *(
            _Column(name=name, texts=[found[at] for found in values])
            for at, name in enumerate(names)
        ),
    ]


def _params(board: Leaderboard) -> list[_Column]:
    return [
        _Column(name=name, texts=[cut(parameter(row["params"].get(name))) for row in board.rows])
        for name in _varied(board)
    ]


def _listed(board: Leaderboard) -> _Column:
    """Return a single column with all parameters."""
    texts = [params_text(row["params"], _varied(board)) for row in board.rows]
    return _Column(name="parameters", texts=texts, markup=texts, justify="left", folds=True)


def _varied(board: Leaderboard) -> list[str]:
    tuned = set(board.order)
    varied = ordered(varied_parameters(board.rows), board.order)
    # For a single trial all count as varied, even fixed ones.
    return [name for name in varied if not tuned or name in tuned]


def _fitting(columns: Sequence[_Column], room: int) -> int:
    """Return how many of the first columns fit."""
    for at, column in enumerate(columns):
        room -= column.width
        if room < 0:
            return at
    return len(columns)


def _states(rows: Sequence[TrialRow]) -> _Column:
    rests = [_state_rest(row) for row in rows]
    return _Column(
        name="state",
        texts=[f"{row['state']}{rest}" for row, rest in zip(rows, rests, strict=True)],
        markup=[
            styled(row["state"]) + (f"[quiet]{escape(rest)}[/]" if rest else "")
            for row, rest in zip(rows, rests, strict=True)
        ],
        justify="left",
    )


def _state_rest(row: TrialRow) -> str:
    if row["state"] == "PRUNED" and row.get("last_step"):
        return f" at step {row['last_step']}"
    return f" {row['cause']}" if row["cause"] else ""


def _notes(board: Leaderboard, hidden: int, width: int) -> list[str]:
    notes = []
    alike = [name for name in board.order if name not in set(varied_parameters(board.rows))]
    if len(board.rows) > 1 and alike:
        head = "the same in all: "
        params = fitted_params(board.rows[0]["params"], alike, width - len(head))
        notes += [f"[quiet]{head}[/]{params}"] if params else []
    if hidden:
        names = ", ".join(short_names(_varied(board))[-hidden:])
        count = "1 more parameter" if hidden == 1 else f"{hidden} more parameters"
        named = f" ({names})" if len(names) < width // 2 else ""
        notes.append(f"[quiet]{count}{escape(named)}: --all-params[/]")
    rows = [*board.rows, *([board.pruned] if board.pruned is not None else [])]
    above = pruned_note(rows, board.metrics)
    if board.pruned is not None and board.counts is not None:
        number_pruned = board.counts["pruned"]
        trials = "1 pruned trial is" if number_pruned == 1 else f"{number_pruned} pruned trials are"
        above = f"{trials} not listed: --all. {above}"
    if above:
        notes.append(f"[quiet]{escape(above.rstrip())}[/]")
    return notes
