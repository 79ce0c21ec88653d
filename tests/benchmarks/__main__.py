"""`python -m tests.benchmarks [NAME…] [--json FILE]`: measures, prints a table, writes JSON.

Without names all are run. `python -m tests.benchmarks sampler …` compares samplers instead, and
`python -m tests.benchmarks side-by-side` stock KerasTuner with this service.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import (
    board,
    finding,
    gap,
    importing,
    memory,
    pruning,
    reading,
    recovery,
    scale,
    startup,
    strangers,
    throughput,
)
from tests.benchmarks.figure import Figure, show
from tests.benchmarks.machine import describe_machine, in_a_line
from tests.benchmarks.sampler import cli as sampler

#: To add one: a module with `measure`, and a line here.
BENCHMARKS: dict[str, Callable[[argparse.Namespace], list[Figure]]] = {
    "gap": lambda _: gap.measure(),
    "throughput": lambda _: throughput.measure(),
    "reading": lambda _: reading.measure(),
    "startup": lambda _: startup.measure(),
    "memory": lambda _: memory.measure(),
    "importing": lambda _: importing.measure(),
    "finding": lambda _: finding.measure(),
    "pruning": lambda arguments: pruning.measure(arguments.pruning_seeds),
    "recovery": lambda _: recovery.measure(),
    "strangers": lambda _: strangers.measure(),
    "board": lambda arguments: board.measure(arguments.board_trials, arguments.board_home),
    "scale": lambda arguments: scale.measure(arguments.size, arguments.log),
}


def main(argv: list[str]) -> int:
    """Run the benchmarks that were named, or all; return 1 when a goal was missed."""
    if argv[:1] == ["sampler"]:
        return sampler.main(argv[1:])
    if argv[:1] == ["side-by-side"]:
        # Imports Keras.
        return importlib.import_module("tests.benchmarks.side_by_side.cli").main(argv[1:])  # type: ignore[no-any-return]
    arguments = _read(argv)
    machine = describe_machine()
    print(in_a_line(machine), flush=True)
    results: dict[str, list[Figure]] = {}
    for name in arguments.names or BENCHMARKS:
        start = time.monotonic()
        results[name] = BENCHMARKS[name](arguments)
        show(results[name], f"{name} ({time.monotonic() - start:.0f} s)")
    if arguments.json is not None:
        document = {
            "machine": machine,
            "benchmarks": {name: [f.to_json() for f in fs] for name, fs in results.items()},
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    missed = [f.name for figures in results.values() for f in figures if f.verdict == "missed"]
    print(f"missed: {', '.join(missed)}" if missed else "every goal was reached")
    return 1 if missed else 0


def _read(argv: list[str]) -> argparse.Namespace:
    parser = _parser()
    arguments = parser.parse_args(argv)
    names = [field.name for field in dataclasses.fields(scale.ScaleSize)]
    try:
        arguments.size = scale.ScaleSize(**{name: getattr(arguments, name) for name in names})
    except ValueError as exc:
        parser.error(str(exc))
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"NAME is one of: {', '.join(BENCHMARKS)}",
    )
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    help_seeds = "pruning: so many orders of each dataset, default 1"
    parser.add_argument("--pruning-seeds", type=int, default=1, metavar="N", help=help_seeds)
    group = parser.add_argument_group("board", "the study that is looked at")
    group.add_argument("--board-trials", type=int, default=5_000, metavar="N", help="default 5000")
    help_home = "one that tests.support.board.lab has made; trials are added to it"
    group.add_argument("--board-home", type=Path, metavar="FOLDER", help=help_home)
    group = parser.add_argument_group("scale", "how much is simulated")
    for field in dataclasses.fields(scale.ScaleSize):
        option = "--" + field.name.replace("_", "-")
        group.add_argument(
            option,
            type=type(field.default),
            default=field.default,
            metavar="N",
            help=f"default {field.default:g}",
        )
    group.add_argument("--log", type=Path, metavar="FILE", help="keep every call as JSON there")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
