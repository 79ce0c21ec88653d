"""Documents of the API as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tuner.cli.output import Document, ago, duration, moment, number, parameter, styled

#: Rank, trial, duration and state of a leaderboard, with the gaps after them.
_BESIDE = 4 + 7 + 13 + 10
_GAP = 2


def best_table(rows: Sequence[Document], metrics: Sequence[Document], *, width: int) -> Table:
    """Return the leaderboard: rank, trial, objective, duration, varied parameters, state."""
    table = _table()
    table.add_column("#", justify="right", style="quiet")
    table.add_column("trial", justify="right")
    names = [str(metric["name"]) for metric in metrics]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("duration", justify="right", no_wrap=True)
    varied = varied_parameters(rows)
    beside = _BESIDE + sum(max(len(name), 9) + _GAP for name in names)
    spread = _fits(rows, varied, room=width - beside)
    for name in varied if spread else ["parameters"]:
        table.add_column(_two_lines(name), justify="right" if spread else "left", overflow="fold")
    table.add_column("state", no_wrap=True)
    for rank, row in enumerate(rows, start=1):
        is_best = rank == 1 and row["state"] == "COMPLETE" and len(names) == 1
        table.add_row(
            str(rank),
            str(row["trial"]),
            *objectives(row, names),
            duration(row["duration_s"]),
            *(_cells(row, varied) if spread else [short_params(row["params"], varied)]),
            styled(row["state"]) + (f" [quiet]{row['cause']}[/]" if row["cause"] else ""),
            style="best" if is_best else None,
        )
    return table


def objectives(row: Document, names: Sequence[str]) -> list[str]:
    """Return the told value of each metric; a trial with several has them in `metrics`."""
    if len(names) == 1:
        return [number(row["objective"])]
    return [number(row["metrics"].get(name)) for name in names]


def varied_parameters(rows: Sequence[Document]) -> list[str]:
    """Return the names whose values differ between the rows, in the spec's order; all of one."""
    names = list(dict.fromkeys(name for row in rows for name in row["params"]))
    if len(rows) < 2:
        return names
    first = rows[0]["params"]
    return [
        name
        for name in names
        if any(row["params"].get(name) != first.get(name) for row in rows[1:])
    ]


def short_params(params: Document, names: Sequence[str] | None = None) -> str:
    """Return `learning_rate=0.001 layers=2`: last parts of the names, where these are unique."""
    chosen = [name for name in (names if names is not None else params) if name in params]
    last = [name.rpartition(".")[2] for name in chosen]
    return " ".join(
        f"[quiet]{escape(short if last.count(short) == 1 else name)}=[/]"
        f"{escape(parameter(params[name]))}"
        for name, short in zip(chosen, last, strict=True)
    )


def study_table(rows: Sequence[Document]) -> Table:
    """Return the studies, one a row; a count that is zero everywhere has no column."""
    table = _table()
    table.add_column("study", style="name", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("trials", justify="right", no_wrap=True)
    kinds = [(key, word) for key, word in _COUNTS if any(row["counts"][key] for row in rows)]
    for _, word in kinds:
        table.add_column(word, justify="right")
    table.add_column("best", justify="right", overflow="fold")
    table.add_column("created", no_wrap=True)
    for row in rows:
        table.add_row(
            row["study"],
            styled(row["state"]),
            _used(row["budget"]),
            *(str(row["counts"][key]) for key, _ in kinds),
            best_text(row),
            ago(row["created"]),
        )
    return table


def best_text(status: Document) -> str:
    """Return the best of a study in a few words."""
    best = status["best"]
    if best is None:
        return "-"
    if best.get("objective") is None:
        return f"{best.get('pareto', '-')} on the Pareto front"
    return f"{number(best['objective'])} (trial {best['trial']})"


def facts(pairs: Sequence[tuple[str, RenderableType]]) -> Table:
    """Return labels with their values, one a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="label")
    table.add_column(overflow="fold")
    for label, value in pairs:
        table.add_row(label, value)
    return table


def status_facts(status: Document, more: Sequence[tuple[str, RenderableType]] = ()) -> Table:
    """Return the status of one study, with further labels and their values."""
    counts, budget = status["counts"], status["budget"]
    done = ", ".join(
        f"{counts[key]} {word}" for key, word in _COUNTS if counts[key] or key == "complete"
    )
    state = styled(status["state"])
    if status["reason"]:
        state += f"  [quiet]{escape(status['reason'])}[/]"
    goals = ", ".join(f"{m['name']} ({m['goal']})" for m in status["metrics"])
    return facts(
        [
            ("study", f"[name]{status['study']}[/]"),
            ("state", state),
            ("metric", goals),
            ("best", best_text(status)),
            ("trials", done),
            ("budget", budget_text(budget)),
            ("workers", str(status["workers"])),
            *more,
            ("created", f"{moment(status['created'])}  [quiet]{ago(status['created'])}[/]"),
        ]
    )


def budget_text(budget: Document) -> str:
    """Return what of the budget is used."""
    parts = [f"{_used(budget)} trials"]
    used_hours = budget.get("used_hours")
    spent = duration(used_hours * 3600) if used_hours is not None else "-"
    parts.append(f"{spent} of {budget['hours']:g} h" if budget.get("hours") else spent)
    if budget.get("target") is not None:
        parts.append(f"target {number(budget['target'])}")
    if budget.get("patience") is not None:
        parts.append(f"patience {budget['patience']} trials")
    return ", ".join(parts)


def worker_table(rows: Sequence[Document]) -> Table:
    """Return the workers, one a row."""
    table = _table()
    for name in ("worker", "host", "pid", "device", "state", "trial", "last seen"):
        table.add_column(name, justify="right" if name == "pid" else "left")
    has_reasons = any(row["reason"] for row in rows)
    if has_reasons:
        table.add_column("why", overflow="fold")
    for row in rows:
        device = row["device"] + (f" {row['device_id']}" if row["device_id"] else "")
        trial = f"{row['study']} {row['trial']}" if row["trial"] is not None else "-"
        table.add_row(
            row["name"],
            row["host"],
            str(row["pid"]),
            device,
            row["state"],
            trial,
            ago(row["last_seen"]),
            *([_why(row)] if has_reasons else []),
        )
    return table


def _why(worker: Document) -> str:
    """Return since when, and why, a worker takes no trials."""
    since = f"since {moment(worker['out_since'])}: " if worker["out_since"] else ""
    return escape(since + worker["reason"])


def print_events(console: Console, rows: Sequence[Document]) -> None:
    """Print events, one a line."""
    for row in rows:
        trial = "" if row["trial"] is None else f"trial {row['trial']}"
        line = Text.assemble(
            (moment(row["time"]), "quiet"), "  ", f"{trial:<12}", (f"{row['kind']:<18}", "label")
        )
        line.append(row["text"])
        if row["actor"]:
            line.append(f"  by {row['actor']}", "quiet")
        console.print(line, soft_wrap=True)


_COUNTS = (
    ("complete", "complete"),
    ("pruned", "pruned"),
    ("fail", "failed"),
    ("running", "running"),
    ("waiting", "waiting"),
)


def plain_table(*columns: str) -> Table:
    """Return an empty table with these columns; a name that begins with > stands to the right."""
    table = _table()
    for name in columns:
        justify: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        table.add_column(name.lstrip(">"), justify=justify, overflow="fold")
    return table


def _table() -> Table:
    # The box itself puts a blank between two columns.
    return Table(
        box=box.SIMPLE_HEAD,
        padding=(0, _GAP - 1, 0, 0),
        pad_edge=False,
        header_style="bold",
        show_edge=False,
    )


def _used(budget: Document) -> str:
    limit = f"/{budget['trials']}" if budget.get("trials") else ""
    return f"{budget['used']}{limit}"


def _cells(row: Document, names: Sequence[str]) -> list[str]:
    return [escape(parameter(row["params"].get(name))) for name in names]


def _fits(rows: Sequence[Document], names: Sequence[str], *, room: int) -> bool:
    widths = [
        max(
            *(len(part) for part in _two_lines(name).split("\n")),
            *(len(parameter(row["params"].get(name))) for row in rows),
        )
        + _GAP
        for name in names
    ]
    return sum(widths) <= room


def _two_lines(name: str) -> str:
    """Return a hierarchical name on two lines, so that its column can be narrow."""
    group, dot, last = name.rpartition(".")
    return f"{group}{dot}\n{last}" if dot else name
