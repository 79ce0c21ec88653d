"""`python -m tests.benchmarks [NAME…] [--json FILE]`: measures, prints a table, writes JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import gap, memory, reading, startup, throughput
from tests.benchmarks.figure import Figure, show
from tests.benchmarks.machine import describe_machine, in_a_line

#: To add one: a module with `measure`, and a line here.
BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {
    "gap": gap.measure,
    "throughput": throughput.measure,
    "reading": reading.measure,
    "startup": startup.measure,
    "memory": memory.measure,
}


def main(argv: list[str]) -> int:
    """Run the benchmarks that were named, or all; return 1 when a goal was missed."""
    arguments = _parser().parse_args(argv)
    machine = describe_machine()
    print(in_a_line(machine), flush=True)
    results: dict[str, list[Figure]] = {}
    for name in arguments.names or BENCHMARKS:
        start = time.monotonic()
        results[name] = BENCHMARKS[name]()
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
