"""`python -m tests.benchmarks.keras_table make|pack|study`: the table of real Keras trainings.

`make FILE` trains, and goes on where it stopped; `pack FILE` writes the table from it; `study`
prints how early curves tell the end.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, time
from pathlib import Path

from tests.benchmarks.keras_table.table import SHIPPED


def main(argv: list[str]) -> int:
    """Run one command."""
    arguments = _parser().parse_args(argv)
    # Imported when asked for: TensorFlow takes seconds, and reading the table does not need it.
    if arguments.command == "make":
        from tests.benchmarks.keras_table.make import make

        make(
            arguments.runs,
            count=arguments.configurations,
            seeds=arguments.seeds,
            until=arguments.until,
        )
    elif arguments.command == "pack":
        from tests.benchmarks.keras_table.packing import pack

        pack(arguments.runs, arguments.table)
    else:
        from tests.benchmarks.keras_table.study import study

        study(arguments.table)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.keras_table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="train what RUNS lacks")
    make.add_argument("runs", type=Path, metavar="RUNS", help="file of runs, added to")
    make.add_argument("--configurations", type=int, default=256, metavar="N")
    make.add_argument("--seeds", type=int, default=2, metavar="N")
    make.add_argument("--until", type=_today, metavar="HH:MM", help="stop at this local time")
    pack = commands.add_parser("pack", help="write the table from RUNS")
    pack.add_argument("runs", type=Path, metavar="RUNS")
    pack.add_argument("--table", type=Path, default=SHIPPED, metavar="FILE")
    look = commands.add_parser("study", help="print how early curves tell the end")
    look.add_argument("--table", type=Path, default=SHIPPED, metavar="FILE")
    return parser


def _today(text: str) -> datetime:
    now = datetime.now().astimezone()
    return datetime.combine(now, time.fromisoformat(text), now.tzinfo)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
