"""How early a learning curve tells where it ends, over all datasets of the table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats

from tests.benchmarks.keras_table.table import KerasTask, Metric, load_table

SHARES = (0.06, 0.1, 0.25, 0.5, 0.75)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """What one dataset's curves tell at one epoch about the end, over its configurations."""

    #: Spearman's correlation of the value at the epoch with the objective.
    correlation: float
    #: Share of the eventual best half, and best tenth, that is in the best half at the epoch.
    half_kept: float
    tenth_kept: float
    #: Rank at the epoch, as a share of all, of the configuration that is best in the end.
    best_rank: float


def foresight(curves: Floats, objective: Floats, epoch: int) -> Foresight:
    """Return what the best value up to `epoch` (from 1) tells about the objective.

    Args:
        curves: (C, E), smaller is better; NaN (diverged) counts as the worst value.
        objective: (C,), the same.
    """
    early = stats.rankdata(_worst_last(np.fmin.accumulate(curves, axis=1)[:, epoch - 1]))
    final = stats.rankdata(_worst_last(objective))
    in_front = early <= np.median(early)
    return Foresight(
        correlation=float(stats.spearmanr(early, final).statistic),
        half_kept=float(in_front[_best(final, 0.5)].mean()),
        tenth_kept=float(in_front[_best(final, 0.1)].mean()),
        best_rank=float(early[final.argmin()] / len(final)),
    )


def _best(ranks: Floats, share: float) -> NDArray[np.bool_]:
    """Return which are the best `share`, and those that are equal to the last of them."""
    best: NDArray[np.bool_] = ranks <= np.sort(ranks)[math.ceil(share * len(ranks)) - 1]
    return best


def _worst_last(values: Floats) -> Floats:
    # A training that diverged is worse than any number, and no better than another such.
    return np.nan_to_num(values, nan=np.inf, posinf=np.inf)


def epoch_at(share: float, epochs: int) -> int:
    """Return the first epoch (from 1) at which `share` of the training is done."""
    return max(1, math.ceil(share * epochs - 1e-9))


def study(path: Path) -> None:
    """Print the foresight at `SHARES` of the epochs, of each dataset and their mean."""
    table = load_table(path)
    console = Console()
    for metric in ("val_loss", "val_error"):
        console.print(_summary(table.tasks, metric, table.epochs))
    console.print(_by_dataset(table.tasks, table.epochs))


def _summary(tasks: tuple[KerasTask, ...], metric: Metric, epochs: int) -> Table:
    shown = Table(title=f"{metric}: mean over {len(tasks)} datasets (least to most)")
    for heading in (
        "epoch",
        "rank correlation",
        "best half kept",
        "best tenth kept",
        "best's rank",
    ):
        shown.add_column(heading, justify="right")
    for share in SHARES:
        epoch = epoch_at(share, epochs)
        found = [foresight(task.curves(metric), task.objective(metric), epoch) for task in tasks]
        shown.add_row(
            f"{epoch} ({share:.0%})",
            *(
                _spread([getattr(item, name) for item in found])
                for name in ("correlation", "half_kept", "tenth_kept", "best_rank")
            ),
        )
    return shown


def _by_dataset(tasks: tuple[KerasTask, ...], epochs: int) -> Table:
    shown = Table(title="val_loss: rank correlation with the end, by dataset")
    shown.add_column("dataset")
    for heading in ("best", "median", "diverged", *(f"{share:.0%}" for share in SHARES)):
        shown.add_column(heading, justify="right")
    for task in tasks:
        curves, objective = task.curves(), task.objective()
        found = [foresight(curves, objective, epoch_at(share, epochs)) for share in SHARES]
        shown.add_row(
            task.name,
            f"{task.best:.3g}",
            f"{task.median:.3g}",
            f"{np.isnan(objective).mean():.0%}",
            *(f"{item.correlation:.2f}" for item in found),
        )
    return shown


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({min(values):.2f}-{max(values):.2f})"
