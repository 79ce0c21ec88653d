"""One trial as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tuner.cli.render.output import duration, has_bars, moment, number, parameter, styled
from tuner.cli.render.tables import facts, objectives, print_events
from tuner.cli.render.unfiled import unfiled_facts

if TYPE_CHECKING:
    from tuner.documents.study import MetricGoal
    from tuner.documents.trial import AttemptRow, ReportRow, TrialDetail

_BARS, _ASCII = "▁▂▃▄▅▆▇█", "_.-:=+*#"
_CURVE_WIDTH = 60
#: Maximum number of steps without a number that are listed.
_STEPS = 8


def print_trial(
    console: Console,
    study: str,
    trial: TrialDetail,
    metrics: Sequence[MetricGoal],
    *,
    log_root: Path,
) -> None:
    """Print parameters, result, attempts, reports and events of a trial."""
    console.print(_summary(study, trial, metrics, log_root))
    bars = _BARS if has_bars(console) else _ASCII
    for title, content in _sections(trial, [str(metric["name"]) for metric in metrics], bars):
        console.print(f"\n[bold]{title}[/]")
        console.print(content)
    if trial["events"]:
        console.print("\n[bold]events[/]")
        print_events(console, trial["events"])


def curve(values: Sequence[float], bars: str = _BARS) -> str:
    """Return the values as a line of bars, thinned to the width of a page."""
    if len(values) > _CURVE_WIDTH:
        step = len(values) / _CURVE_WIDTH
        values = [values[int(at * step)] for at in range(_CURVE_WIDTH)]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(bars[int((value - low) / span * (len(bars) - 1))] for value in values)


def _summary(
    study: str, trial: TrialDetail, metrics: Sequence[MetricGoal], log_root: Path
) -> RenderableType:
    names = [str(metric["name"]) for metric in metrics]
    cause = f"  [quiet]{trial['cause']}[/]" if trial["cause"] else ""
    rows: list[tuple[str, RenderableType]] = [
        ("trial", f"[name]{study} {trial['trial']}[/]"),
        ("state", styled(trial["state"]) + cause),
        *zip(names, objectives(trial, names), strict=True),
        ("started", moment(trial["started"])),
        ("duration", duration(trial["duration_s"])),
        ("seed", str(trial["seed"])),
    ]
    stop = trial.get("stop")
    if stop:
        rows.insert(2, ("why", escape(stop["text"])))
    elif trial["state"] == "PRUNED":
        why = "its pruner stopped it; an earlier release kept no word of why"
        rows.insert(2, ("why", f"[quiet]{why}[/]"))
    if trial["run_dir"]:
        rows.append(("files", Text(str(log_root / trial["run_dir"]))))
    missing = trial.get("unfiled") or []
    rows += [("", line) for _, line in unfiled_facts(missing, len(missing))]
    return facts(rows)


def _sections(
    trial: TrialDetail, names: Sequence[str], bars: str
) -> list[tuple[str, RenderableType]]:
    params = [(name, Text(parameter(value))) for name, value in trial["params"].items()]
    sections: list[tuple[str, RenderableType]] = [("parameters", facts(params))]
    others = {k: v for k, v in (trial["metrics"] or {}).items() if k not in names}
    if others:
        rows = [(name, Text(number(value))) for name, value in others.items()]
        sections.append(("other metrics", facts(rows)))
    reported = [row for row in trial["reports"] if row["value"] is not None]
    if trial["reports"]:
        numberless = [row["step"] for row in trial["reports"] if row["value"] is None]
        sections.append(("reports", _reports(reported, numberless, bars)))
    if trial["attempt_list"]:
        sections.append(("attempts", _attempts(trial["attempt_list"])))
    if trial["error"]:
        sections.append(("error", f"[bad]{escape(trial['error'])}[/]"))
    return sections


def _reports(rows: Sequence[ReportRow], numberless: Sequence[int], bars: str) -> RenderableType:
    """Return the curve, and the steps at which the value was NaN or infinite."""
    skipped = f"[warn]{_steps(numberless)}: no number; no pruner looks at it[/]"
    if not rows:
        return skipped
    values = [row["value"] for row in rows if row["value"] is not None]
    first, last = rows[0], rows[-1]
    if len(rows) == 1:
        ends = f"step {first['step']}: {number(values[0])}"
    else:
        ends = (
            f"step {first['step']}: {number(values[0])} … step {last['step']}: {number(values[-1])}"
        )
    text = f"[cyan]{curve(values, bars)}[/]\n[quiet]{ends}[/]"
    return f"{text}\n{skipped}" if numberless else text


def _steps(steps: Sequence[int]) -> str:
    shown = ", ".join(str(step) for step in steps[:_STEPS])
    more = f" and {len(steps) - _STEPS} more" if len(steps) > _STEPS else ""
    return f"step {shown}" if len(steps) == 1 else f"steps {shown}{more}"


def _attempts(rows: Sequence[AttemptRow]) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(
            str(row.get("no") or row.get("attempt_no") or row.get("attempt")),
            styled(str(row["state"])) + (f" [quiet]{row['cause']}[/]" if row.get("cause") else ""),
            escape(str(row.get("worker") or "-")),
            moment(row.get("started")),
        )
    return table
