"""`python -m tests.benchmarks sampler pruned COMMAND …`: samplers in a pruner's company.

run      make runs at equal budgets of epochs and add them to a file; what stands there is not made
report   tables: regret over the budget, ratios, how many numbers lie at a bound
goals    what is to be reached, and what the files say of it; what fell short first
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.sampler.history.building import HistorySpec
from tests.benchmarks.sampler.pruned.arms import ARMS
from tests.benchmarks.sampler.pruned.campaign import PrunedCampaign, PrunedPlan
from tests.benchmarks.sampler.pruned.compare import of_last_code
from tests.benchmarks.sampler.pruned.report import report
from tests.benchmarks.sampler.pruned.results import PrunedFile, PrunedRun, read_pruned
from tests.benchmarks.sampler.tasks.task import Task

_PRUNERS = ("asha", "hyperband", "median", "history", "none")


def add_pruned(
    parser: argparse.ArgumentParser,
    file: Path,
    add_tasks: Callable[[argparse.ArgumentParser, list[str]], None],
    load: Callable[[argparse.Namespace], tuple[dict[str, list[Task]], list[str]]],
) -> None:
    """Add the commands.

    Args:
        parser: of `pruned`.
        file: of results, by default.
        add_tasks: adds the options that name tasks, with this default.
        load: returns the families that they name, and the keys of those that are tuned.
    """
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="make runs")
    run.add_argument("--arms", nargs="+", choices=list(ARMS), default=["random", "tpe", "bayesian"])
    run.add_argument("--pruners", nargs="+", choices=_PRUNERS, default=["asha", "none"])
    run.add_argument("--workers", nargs="+", type=int, default=[1], metavar="N")
    run.add_argument("--history", nargs="+", default=["none"], metavar="KIND[:STUDIESxTRIALS]")
    run.add_argument("--seeds", type=int, default=1, metavar="N")
    run.add_argument("--first-seed", type=int, default=0, metavar="N")
    run.add_argument("--full", type=int, default=12, metavar="N", help="budget in whole trainings")
    run.add_argument("--most-trials", type=int, default=300, metavar="N")
    run.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    run.add_argument("--out", type=Path, default=file, metavar="FILE")
    add_tasks(run, ["curves"])
    run.set_defaults(run=lambda arguments: _run(arguments, load))
    for name, show_it, text in (
        ("report", _report, "tables"),
        ("goals", _goals, "what was reached"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("files", nargs="*", type=Path, default=[file])
        command.set_defaults(run=show_it)


def _run(
    arguments: argparse.Namespace,
    load: Callable[[argparse.Namespace], tuple[dict[str, list[Task]], list[str]]],
) -> int:
    families, targets = load(arguments)
    plan = PrunedPlan(
        families=families,
        targets=frozenset(targets),
        arms=tuple(arguments.arms),
        pruners=tuple(arguments.pruners),
        workers=tuple(arguments.workers),
        histories=tuple(HistorySpec.parse(text) for text in arguments.history),
        seeds=tuple(range(arguments.first_seed, arguments.first_seed + arguments.seeds)),
        full=arguments.full,
        most_trials=arguments.most_trials,
    )
    file = PrunedFile(arguments.out)
    PrunedCampaign(plan, file, lambda text: print(text, flush=True)).run(60 * arguments.minutes)
    return 0


def read(paths: list[Path]) -> list[PrunedRun]:
    """Return the runs of files, without those of older code, which are counted on stderr."""
    runs, older = of_last_code(read_pruned(paths))
    if older:
        print(f"left out: {older} runs of older code", file=sys.stderr)
    return runs


def _report(arguments: argparse.Namespace) -> int:
    print(report(read(arguments.files)))
    return 0


def _goals(arguments: argparse.Namespace) -> int:
    # Tables are printed where Tuner is installed; a peer's Python may lack what that needs.
    from tests.benchmarks.figure import show
    from tests.benchmarks.sampler.pruned.goals import goals

    figures = goals(read(arguments.files))
    figures.sort(key=lambda figure: figure.verdict != "missed")
    show(figures, "goals with a pruner")
    return 1 if any(figure.verdict == "missed" for figure in figures) else 0
