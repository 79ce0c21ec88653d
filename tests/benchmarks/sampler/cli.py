"""`python -m tests.benchmarks sampler COMMAND …`: samplers compared.

run      make runs and add them to a file of results; what stands there is not made again
report   tables, and plots as SVG, from files of results
goals    what the sampler is to reach, and what files of results say of it
pruned   the same for studies with a pruner: run, report and goals of their own
failing  studies whose objective raises in a part of the space
gain     the estimate of what history gained, beside cold starts that are really made
speed    time of proposals beside a long history, time and memory of its artifact
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.benchmarks.sampler.campaign import Campaign, Plan
from tests.benchmarks.sampler.history.building import HistoryError, HistorySpec
from tests.benchmarks.sampler.methods import METHODS
from tests.benchmarks.sampler.pruned.cli import add_pruned
from tests.benchmarks.sampler.results import ROOT, ResultFile, Run, of_one_code, read_runs
from tests.benchmarks.sampler.tasks import family_names, load_family
from tests.benchmarks.sampler.tasks.task import NoDataError, Task

_MISLEADING = ("inverted", "unrelated", "noise")
#: The families that need no folder.
_OWN = ["continuous", "structured"]
_CACHE = ROOT / ".cache" / "bench-sampler"


def main(argv: list[str]) -> int:
    """Run one command; return its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (KeyError, NoDataError, HistoryError) as exc:
        print(f"error: {exc.args[0]}", file=sys.stderr)
        return 2


def _run(arguments: argparse.Namespace) -> int:
    families, targets = _load_targets(arguments)
    plan = Plan(
        families=families,
        targets=frozenset(targets),
        methods=tuple(arguments.methods),
        histories=tuple(HistorySpec.parse(text) for text in arguments.history),
        pending=tuple(arguments.pending),
        seeds=tuple(range(arguments.first_seed, arguments.first_seed + arguments.seeds)),
        trials=arguments.trials,
        cache=arguments.cache,
    )
    campaign = Campaign(plan, ResultFile(arguments.out), lambda text: print(text, flush=True))
    campaign.run(60 * arguments.minutes)
    return 0


def _load(names: list[str], folder: Path | None) -> dict[str, list[Task]]:
    families = {}
    for name in family_names(names):
        try:
            families[name] = load_family(name, folder)
        except NoDataError as exc:
            # One family that was named is a mistake; one of many is told and left out.
            if len(names) == 1 and names[0] == name:
                raise
            print(f"left out: {exc}", file=sys.stderr)
    return families


def _load_targets(arguments: argparse.Namespace) -> tuple[dict[str, list[Task]], list[str]]:
    families = _load(arguments.tasks, arguments.data)
    return families, _targets(families, arguments)


def _targets(families: dict[str, list[Task]], arguments: argparse.Namespace) -> list[str]:
    keys = []
    for tasks in families.values():
        named = [task for task in tasks if arguments.all_tasks or task.healthy]
        keys += [task.key for task in named[: arguments.max_tasks]]
    return keys


def _report(arguments: argparse.Namespace) -> int:
    from tests.benchmarks.sampler.report import MixedTasksError, report

    try:
        print(report(_read(arguments.files), arguments.base, arguments.plots))
    except MixedTasksError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    return 0


def _read(paths: list[Path]) -> list[Run]:
    runs, older = of_one_code(read_runs(paths))
    if older:
        print(f"left out: {older} runs of older code of ours", file=sys.stderr)
    return runs


def _goals(arguments: argparse.Namespace) -> int:
    from tests.benchmarks.figure import show
    from tests.benchmarks.sampler.goals import goals

    figures = goals(_read(arguments.files))
    figures.sort(key=lambda figure: figure.verdict != "missed")
    show(figures, "goals; what fell short first")
    return 1 if any(figure.verdict == "missed" for figure in figures) else 0


def _gain(arguments: argparse.Namespace) -> int:
    from tests.benchmarks.figure import show
    from tests.benchmarks.sampler.gain import measure
    from tests.benchmarks.sampler.history.building import StudyMaker

    families = _load(arguments.tasks, arguments.data)
    figures = measure(list(families.values()), arguments.max_tasks, StudyMaker(arguments.cache))
    show(figures, "gain")
    return 1 if any(figure.verdict == "missed" for figure in figures) else 0


def _failing(arguments: argparse.Namespace) -> int:
    from tests.benchmarks.figure import show
    from tests.benchmarks.sampler.failing import measure

    figures = measure(arguments.seeds)
    figures.sort(key=lambda figure: figure.verdict != "missed")
    show(figures, "failing; what fell short first")
    return 1 if any(figure.verdict == "missed" for figure in figures) else 0


def _speed(arguments: argparse.Namespace) -> int:
    from tests.benchmarks.figure import show
    from tests.benchmarks.machine import describe_machine, in_a_line
    from tests.benchmarks.sampler.speed import measure

    print(in_a_line(describe_machine()), flush=True)
    figures = measure(arguments.studies, arguments.trials)
    show(figures, "speed")
    return 1 if any(figure.verdict == "missed" for figure in figures) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks sampler",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="make runs"))
    report = commands.add_parser("report", help="tables and plots")
    report.add_argument("files", nargs="*", type=Path, default=[_CACHE / "results.jsonl"])
    report.add_argument("--base", default="cold", help="what ratios are of (default: cold)")
    report.add_argument("--plots", type=Path, help="write SVG files into this folder")
    report.set_defaults(run=_report)
    reached = commands.add_parser("goals", help="what was reached")
    reached.add_argument("files", nargs="*", type=Path, default=[_CACHE / "results.jsonl"])
    reached.set_defaults(run=_goals)
    pruned = commands.add_parser("pruned", help="studies with a pruner")
    add_pruned(pruned, _CACHE / "pruned.jsonl", _add_targets, _load_targets)
    failing = commands.add_parser("failing", help="objectives that raise")
    failing.add_argument("--seeds", type=int, default=3, metavar="N")
    failing.set_defaults(run=_failing)
    gain = commands.add_parser("gain", help="the estimate of the gain beside real cold starts")
    gain.add_argument("--max-tasks", type=int, default=2, metavar="N", help="of each family")
    _add_tasks(gain, _OWN)
    gain.set_defaults(run=_gain)
    speed = commands.add_parser("speed", help="time and memory")
    speed.add_argument("--studies", type=int, default=1000, metavar="N")
    speed.add_argument("--trials", type=int, default=100, metavar="N", help="of each study")
    speed.set_defaults(run=_speed)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    # The defaults are what `make bench-sampler` runs: a quarter of an hour.
    methods, history = ["random", "tpe", "cold", "warm"], ["related", *_MISLEADING]
    run.add_argument("--methods", nargs="+", choices=list(METHODS), default=methods)
    run.add_argument("--history", nargs="+", default=history, metavar="KIND[:STUDIESxTRIALS]")
    run.add_argument("--pending", nargs="+", type=int, default=[1], metavar="N")
    run.add_argument("--seeds", type=int, default=2, metavar="N")
    run.add_argument("--first-seed", type=int, default=0, metavar="N")
    run.add_argument("--trials", type=int, default=50, metavar="N")
    run.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    run.add_argument("--out", type=Path, default=_CACHE / "results.jsonl", metavar="FILE")
    _add_targets(run, _OWN)
    run.set_defaults(run=_run)


def _add_targets(command: argparse.ArgumentParser, default: list[str]) -> None:
    command.add_argument("--max-tasks", type=int, default=2, metavar="N", help="of each family")
    command.add_argument("--all-tasks", action="store_true", help="those that are not healthy too")
    _add_tasks(command, default)


def _add_tasks(command: argparse.ArgumentParser, default: list[str]) -> None:
    command.add_argument("--tasks", nargs="+", default=default, metavar="FAMILY")
    data = os.environ.get("BENCH_DATA")
    command.add_argument("--data", type=Path, default=data, help="folder of published tables")
    command.add_argument("--cache", type=Path, default=_CACHE / "studies", metavar="FOLDER")
