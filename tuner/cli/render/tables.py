"""Documents of the API as tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tuner.cli.calling import spell
from tuner.cli.render.image_advice import short_image
from tuner.cli.render.output import ago, duration, has_bars, moment, number, styled
from tuner.visible import visible

if TYPE_CHECKING:
    from tuner.documents.study import BudgetUse, CountWord, StudyStatus, TrialCounts
    from tuner.documents.tokens import TokenRow
    from tuner.documents.trial import EventRow, TrialRow
    from tuner.documents.workers import WorkerRow

#: Number of a UUID's characters to show: "GPU-" and eight digits.
_UUID_CHARS = 12
#: Number of blanks between two columns.
GAP = 2
#: Minimum width for bars and times in the list of studies, and the width of the bars.
_WIDE, _BAR = 110, 10


def objectives(row: TrialRow, names: Sequence[str]) -> list[str]:
    """Return the told value of each metric; a trial with several has them in `metrics`."""
    if len(names) == 1:
        return [number(row["objective"])]
    return [number(row["metrics"].get(name)) for name in names]


def study_table(rows: Sequence[StudyStatus], console: Console) -> Table:
    """Return the studies, one per line: how far each is, its best, and what it waits for."""
    table = empty_table()
    is_wide = console.width >= _WIDE
    table.add_column("study", style="name", no_wrap=True)
    table.add_column("state", no_wrap=True)
    if is_wide:
        table.add_column("progress", no_wrap=True)
    table.add_column("trials", justify="right", no_wrap=True)
    table.add_column("best", justify="right", no_wrap=True)
    if is_wide:
        table.add_column("created", no_wrap=True)
    now = [now_text(row) for row in rows]
    if any(now):
        table.add_column("now", no_wrap=True)
    for row, text in zip(rows, now, strict=True):
        used, limit = budget_share(row)
        table.add_row(
            row["study"],
            styled(row["state"]),
            *([bar(console, used / limit if limit else 0.0, _BAR)] if is_wide else []),
            _used(row["budget"]),
            best_text(row),
            *([ago(row["created"])] if is_wide else []),
            *([text] if any(now) else []),
        )
    return table


def now_text(status: StudyStatus) -> str:
    """Return what a study does or waits for, in a few words, including failures."""
    counts, state = status["counts"], status["state"]
    parts = []
    if state in ("running", "stopping") and counts["running"]:
        parts.append(f"{counts['running']} running")
    elif state in ("running", "stopping", "paused", "failed") and status["reason"]:
        parts.append(escape(status["reason"].partition(";")[0]))
    elif state == "running":
        parts.append("waiting for workers")
    if counts["fail"]:
        parts.append(f"[bad]{counts['fail']} failed[/]")
    return ", ".join(parts)


def bar(console: Console, share: float, width: int) -> str:
    """Return a bar of a given width, filled up to a share, as rich markup."""
    whole = round(min(max(share, 0.0), 1.0) * width)
    # Distinguishable without colours, too.
    full, empty = "━╌" if has_bars(console) else "#-"
    return f"[bar.complete]{full * whole}[/][quiet]{empty * (width - whole)}[/]"


def budget_share(status: StudyStatus) -> tuple[float, float | None]:
    """Return how much of the nearest limit is used, and that limit."""
    budget = status["budget"]
    parts = [
        (used, limit)
        for used, limit in (
            (budget["used"], budget.get("trials")),
            (budget.get("used_hours") or 0.0, budget.get("hours")),
        )
        if limit
    ]
    return max(parts, key=lambda part: part[0] / part[1], default=(0, None))


def best_text(status: StudyStatus) -> str:
    """Return the best of a study in a few words."""
    best = status["best"]
    if best is None:
        return "-"
    if best.get("objective") is None:
        return f"{best.get('pareto', '-')} on the Pareto front"
    return f"{number(best['objective'])} (trial {best['trial']})"


def facts(pairs: Sequence[tuple[str, RenderableType]]) -> Table:
    """Return labels with their values, one per line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="label")
    table.add_column(overflow="fold")
    for label, value in pairs:
        table.add_row(escape(label), value)
    return table


def all_trials(counts: TrialCounts) -> int:
    """Return how many trials a study has."""
    ended = counts["complete"] + counts["pruned"] + counts["fail"]
    return ended + counts["waiting"] + counts["running"]


def counts_text(counts: TrialCounts) -> str:
    """Return `6 complete, 18 pruned, 2 running`."""
    return ", ".join(
        f"{counts[key]} {word}" for key, word in _COUNTS if counts[key] or key == "complete"
    )


def budget_text(budget: BudgetUse) -> str:
    """Return how much of the budget is used."""
    parts = [f"{_used(budget)} trials"]
    used_hours = budget.get("used_hours")
    spent = duration(used_hours * 3600) if used_hours is not None else "-"
    parts.append(f"{spent} of {budget['hours']:g} h" if budget.get("hours") else spent)
    if budget.get("target") is not None:
        parts.append(f"target {number(budget['target'])}")
    if budget.get("patience") is not None:
        parts.append(f"patience {budget['patience']} trials")
    return ", ".join(parts)


def worker_table(rows: Sequence[WorkerRow]) -> Table:
    """Return the workers, one per row."""
    table = empty_table()
    for name in ("worker", "host", "pid", "device", "state", "trial", "last seen"):
        table.add_column(name, justify="right" if name == "pid" else "left")
    has_images = any(row["image"] for row in rows if row["device"] != "external")
    if has_images:
        table.add_column("image", overflow="fold")
        table.add_column("proven by")
    has_reasons = any(row["reason"] for row in rows)
    if has_reasons:
        table.add_column("why", overflow="fold")
    for row in rows:
        trial = f"{row['study']} {row['trial']}" if row["trial"] is not None else "-"
        table.add_row(
            row["name"],
            escape(row["host"]),
            str(row["pid"]),
            escape(_device(row)),
            row["state"],
            escape(trial),
            ago(row["last_seen"]),
            *(_image(row) if has_images else []),
            *([_why(row)] if has_reasons else []),
        )
    return table


def _device(worker: WorkerRow) -> str:
    """Return a worker's kind of device and its UUID; with several GPUs, their number first."""
    if worker["device"] == "external":
        # A process that executes only one study's trials: that study.
        return f"external {worker['image']}"
    uuids = (worker["device_id"] or "").split(",")
    # A server of an earlier release knows only of one GPU.
    count = worker.get("gpus", 1)
    if count <= 1:
        return " ".join([str(worker["device"]), *filter(None, uuids)])
    # The first digits distinguish the GPUs of a host; --json has all of them.
    return f"{count} gpus " + " ".join(uuid[:_UUID_CHARS] for uuid in uuids)


def _image(worker: WorkerRow) -> tuple[str, str]:
    """Return a worker's image, and how it is verified."""
    if worker["device"] == "external" or worker["image"] is None:
        return "-", "-"
    # A server of an earlier release verifies nothing.
    proof = _PROOFS[worker.get("image_verified") or "stated"]
    return escape(short_image(worker["image"])), "-" if worker.get("image_problem") else proof


#: The meaning of `image_verified` in words.
_PROOFS = {
    "stated": "its word",
    "token": "token",  # nosec B105  # a word, no secret
    "lock": "token, lock",
    "files": "token, files",
}


def _why(worker: WorkerRow) -> str:
    """Return since when, and why, a worker gets no trials."""
    since = f"since {moment(worker['out_since'])}: " if worker["out_since"] else ""
    return escape(since + worker["reason"])


def token_table(rows: Sequence[TokenRow]) -> Table:
    """Return the tokens, one per row."""
    table = empty_table()
    for name in ("token", "may", "until", "last used", "made by"):
        table.add_column(name, style="name" if name == "token" else "", overflow="fold")
    for row in rows:
        end = moment(row["expires"])
        until = end if row["state"] == "active" else f"[bad]{row['state']}[/]"
        table.add_row(
            row["name"],
            # A digest is long, and its first digits distinguish it from others.
            re.sub(r"((sha256:|lock |files )[0-9a-f]{12})[0-9a-f]{52}", r"\1…", token_reach(row)),
            "it is revoked" if until == "-" else until,
            "never" if row["last_used"] is None else ago(row["last_used"]),
            escape(row["actor"] or "-"),
        )
    return table


def token_reach(row: TokenRow) -> str:
    """Return what a token may do: `submit in project vision`."""
    projects = row["projects"]
    where = "everywhere"
    if projects is not None:
        where = f"in {'project' if len(projects) == 1 else 'projects'} {', '.join(projects)}"
    image = f", as image {row['image']}" if row["image"] else ""
    compared = [f"{name} {row[name]}" for name in ("lock", "files") if row.get(name)]
    beside = f" with {' and '.join(compared)}" if compared else ""
    return f"{', '.join(row['scopes'])} {where}{image}{beside}"


def print_events(console: Console, rows: Sequence[EventRow]) -> None:
    """Print events, one per line."""
    for row in rows:
        trial = "" if row["trial"] is None else f"trial {row['trial']}"
        line = Text.assemble(
            (moment(row["time"]), "quiet"), "  ", f"{trial:<12}", (f"{row['kind']:<18}", "label")
        )
        line.append(spell(visible(row["text"])))
        if row["actor"]:
            line.append(f"  by {visible(row['actor'])}", "quiet")
        console.print(line, soft_wrap=True)


_COUNTS: tuple[tuple[CountWord, str], ...] = (
    ("complete", "complete"),
    ("pruned", "pruned"),
    ("fail", "failed"),
    ("running", "running"),
    ("waiting", "waiting"),
)


def plain_table(*columns: str) -> Table:
    """Return an empty table with these columns; one whose name starts with > is aligned right."""
    table = empty_table()
    for name in columns:
        justify: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        table.add_column(name.lstrip(">"), justify=justify, overflow="fold")
    return table


def empty_table() -> Table:
    """Return an empty table in our style, with `GAP` blanks between columns."""
    # The box itself puts a blank between two columns.
    return Table(
        box=box.SIMPLE_HEAD,
        padding=(0, GAP - 1, 0, 0),
        pad_edge=False,
        header_style="bold",
        show_edge=False,
    )


def _used(budget: BudgetUse) -> str:
    limit = f"/{budget['trials']}" if budget.get("trials") else ""
    return f"{budget['used']}{limit}"
