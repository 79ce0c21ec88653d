"""`python -m tests.benchmarks side-by-side`: prints the table of docs/keras-tuner.md."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.figure import median
from tests.benchmarks.machine import describe_machine, in_a_line
from tests.benchmarks.side_by_side.comparison import SHARES, SideFigures, compare
from tests.benchmarks.side_by_side.faults import TRIALS, Outcome, killed_worker, started_again
from tests.benchmarks.side_by_side.sides import SIDES


def main(argv: list[str]) -> int:
    """Measure and print."""
    arguments = _read(argv)
    machine = describe_machine()
    print(in_a_line(machine), flush=True)
    found: list[SideFigures] = []
    for figures in compare(arguments.trials, arguments.seeds):
        print(f"  {figures}", flush=True)
        found.append(figures)
    killed = [killed_worker("BayesianOptimization"), killed_worker("Tuner")]
    again = [started_again("BayesianOptimization"), started_again("Tuner")]
    print(table(found, killed, again))
    if arguments.json is not None:
        parts = {"searches": found, "killed worker": killed, "started again": again}
        rows = {name: [dataclasses.asdict(row) for row in part] for name, part in parts.items()}
        arguments.json.write_text(json.dumps({"machine": machine, **rows}, indent=1) + "\n")
    return 0


def table(found: Sequence[SideFigures], killed: Sequence[Outcome], again: Sequence[Outcome]) -> str:
    """Return the table as Markdown: medians over the seeds."""
    by_side = {side: [f for f in found if f.side == side] for side in SIDES}
    lines: list[list[str]] = [["", *by_side]]

    def row(name: str, of: Callable[[SideFigures], float], digits: int) -> None:
        cells = [f"{median([of(f) for f in mine]):.{digits}f}" for mine in by_side.values()]
        lines.append([name, *cells])

    row("wall time, s", lambda f: f.wall_s, 0)
    for index, share in enumerate(SHARES):
        name = f"best val_loss at {share:.0%} of the epochs"
        row(name, lambda figures, at=index: figures.losses[at], 4)  # type: ignore[misc]
    row("between two trainings, s", lambda f: f.between_s, 2)
    row("trainings", lambda f: f.trainings, 0)
    row("repeated configurations", lambda f: f.repeated, 0)
    for name, outcomes in (("a worker of two killed", killed), ("killed and started again", again)):
        said = {outcome.side: _words(outcome) for outcome in outcomes}
        lines.append([name, *(said.get(side, "") for side in SIDES)])
    head, *rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, f"|{'---|' * len(lines[0])}", *rows])


def _words(outcome: Outcome) -> str:
    end = "hangs" if outcome.ended_s is None else f"ends after {outcome.ended_s:.0f} s"
    return f"{end}; {outcome.trained} of {TRIALS} trained, {outcome.begun} begun"


def _read(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks side-by-side")
    parser.add_argument("--trials", type=int, default=30, metavar="N", help="default 30")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default 3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args(argv)
