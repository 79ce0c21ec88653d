"""`python -m tests.benchmarks.demo`: a study of one example seeds that of a related one.

A first study tunes a net on digits. Then the same net is tuned on fewer and worse images, twice
side by side with the same seed: cold, and warm with the first study as its history. It goes on with
further seeds as long as there is time.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.demo.pairs import Pair, verdict
from tests.benchmarks.demo.showing import table
from tests.benchmarks.demo.studies import PROJECT, SOURCE, Studio, StudioError

#: The first study, and the one that it seeds.
EXAMPLE, RELATED = "mlp", "mlp-noisy"
#: Every trial runs to its end: few stopped ones may say too little to teach another study.
_WHOLE = {"pruner": {"name": "none"}, "sampler": {"name": "bayesian", "seed": 7}}
_PIPE_WIDTH = 120


def main(argv: list[str]) -> int:
    """Run the demonstration and print what it shows."""
    arguments = _parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    start = time.monotonic()
    with Studio(arguments.folder) as studio, _progress(console) as progress:
        console.print(f"1. {EXAMPLE}.yaml: {arguments.source_trials} trials on digits")
        studio.submit(EXAMPLE, SOURCE, {"budget": {"trials": arguments.source_trials}, **_WHOLE})
        studio.start_workers(2)
        _follow(studio, progress, {SOURCE: arguments.source_trials})
        console.print(
            f"2. {RELATED}.yaml: the same net on fewer and worse images, {arguments.trials} trials "
            "each, cold and warm side by side"
        )
        pairs: list[Pair] = []
        took = 0.0
        for seed in range(1, arguments.pairs + 1):
            # Another pair takes as long as the longest one did.
            if pairs and time.monotonic() - start + took > arguments.seconds:
                break
            began = time.monotonic()
            pairs.append(_play(studio, progress, seed, arguments.trials))
            took = max(took, time.monotonic() - began)
        learnt = studio.learnt("warm-1")
    console.print(table(pairs, "val_accuracy"))
    console.print()
    console.print("cold starts from nothing; warm has the first study as its history", style="dim")
    console.print(f"warm-1: {learnt}", style="dim", markup=False, soft_wrap=True)
    console.print(f"[bold]{verdict(pairs)}[/]", soft_wrap=True)
    console.print(f"It took {time.monotonic() - start:.0f} s. In TensorBoard, best trials first:")
    home = shlex.quote(str(studio.home))
    console.print(f"  TUNER_HOME={home} {_tuner()} board {PROJECT}", soft_wrap=True)
    console.print("Why the warm study began where it began:")
    console.print(f"  TUNER_HOME={home} {_tuner()} explain {PROJECT}/warm-1 0", soft_wrap=True)
    return 0


def _play(studio: Studio, progress: Progress, seed: int, trials: int) -> Pair:
    """Run a cold and a warm study side by side, and return what they found."""
    history = {"cold": "none", "warm": [f"{PROJECT}/{SOURCE}"]}
    for kind, known in history.items():
        changes = {
            "history": known,
            "sampler": {"name": "bayesian", "seed": seed},
            "budget": {"trials": trials},
            # Two workers, one for each.
            "parallel": 1,
        }
        studio.submit(RELATED, f"{kind}-{seed}", changes)
    _follow(studio, progress, {f"{kind}-{seed}": trials for kind in history})
    return Pair(cold=studio.results(f"cold-{seed}"), warm=studio.results(f"warm-{seed}"))


def _follow(studio: Studio, progress: Progress, studies: dict[str, int]) -> None:
    bars = {study: progress.add_task(study, total=trials) for study, trials in studies.items()}
    studio.wait(studies, lambda study, done: progress.update(bars[study], completed=done))


def _progress(console: Console) -> Progress:
    columns = (TextColumn("   {task.description:8}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console)


def _tuner() -> str:
    """Return the program as it is typed here."""
    from tuner.cli.calling import way_to

    return way_to(Path(sys.executable).with_name("tuner"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.demo", description=__doc__)
    folder = Path(".cache", "demo")
    parser.add_argument("--folder", type=Path, default=folder, help=f"emptied; default {folder}")
    parser.add_argument("--source-trials", type=int, default=20, metavar="N", help="default 20")
    parser.add_argument("--trials", type=int, default=8, metavar="N", help="default 8")
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="at most; default 5")
    seconds = "no further pair that would end later; default 270"
    parser.add_argument("--seconds", type=float, default=270, metavar="S", help=seconds)
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except StudioError as exc:
        sys.exit(str(exc))
