"""The table that is shipped, read.

Shapes: S seeds, C configurations, E epochs. Every curve is (C, E); NaN from where a training
diverged. The first C configurations of a seed are the same for every dataset, and those of another
seed begin with the same ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tuner.space import Params, SearchSpace

Floats = NDArray[np.float64]
Metric = Literal["val_loss", "val_error"]
CHANNELS = ("loss", "val_loss", "val_error", "seconds")
SHIPPED = Path(__file__).with_name("table.npz")


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Trainings with one seed."""

    #: Loss while training, on held-out rows, and share of wrong classes (or mean absolute error).
    loss: Floats
    val_loss: Floats
    val_error: Floats
    #: Processor time of each training, (C,).
    seconds: Floats


@dataclass(frozen=True, kw_only=True)
class KerasTask:
    """One dataset of the table: a study in which every configuration was really trained."""

    name: str
    about: str
    #: What is predicted: classes (cross-entropy, share of wrong ones) or a number (MSE, MAE).
    kind: Literal["classes", "number"]
    features: int
    space: SearchSpace
    configurations: tuple[Params, ...]
    #: By seed; a later seed may have fewer configurations.
    seeds: tuple[Curves, ...]

    def curves(self, metric: Metric = "val_loss", seed: int = 0) -> Floats:
        """Return the curves (C, E) of a metric, smaller is better."""
        found: Floats = getattr(self.seeds[seed], metric)
        return found

    def objective(
        self, metric: Metric = "val_loss", *, last: bool = False, seed: int = 0
    ) -> Floats:
        """Return one value per configuration (C,) to minimise: the best epoch's, or the last one's.

        NaN is a training that diverged, also where epochs before it were good.
        """
        curves = self.curves(metric, seed)
        values = curves[:, -1] if last else curves.min(axis=1)
        return np.where(np.isfinite(curves[:, -1]), values, np.nan)

    @cached_property
    def best(self) -> float:
        """The smallest objective of seed 0."""
        return float(np.nanmin(self.objective()))

    @cached_property
    def median(self) -> float:
        """The objective of a median configuration, one that diverged counting as the worst."""
        return float(np.median(np.nan_to_num(self.objective(), nan=np.inf)))

    @cached_property
    def noise(self) -> float:
        """How far a second seed is from the first, as a share of `median` - `best`.

        The median over the best tenth of the configurations that both seeds have; NaN without a
        second seed.
        """
        if len(self.seeds) == 1:
            return float("nan")
        second = self.objective(seed=1)
        first = self.objective()[: len(second)]
        best = np.argsort(first)[: -(-len(first) // 10)]
        return float(np.nanmedian(np.abs(first - second)[best]) / (self.median - self.best))


@dataclass(frozen=True, kw_only=True)
class KerasTable:
    """All tasks, and what they were made with."""

    tasks: tuple[KerasTask, ...]
    #: Versions of Python and packages, the processor, when it was made.
    made_with: Mapping[str, str]
    #: SHA-256 of the numbers, as the table states it.
    digest: str

    def __getitem__(self, name: str) -> KerasTask:
        return next(task for task in self.tasks if task.name == name)

    @property
    def epochs(self) -> int:
        """How many epochs each training had."""
        return int(self.tasks[0].curves().shape[1])


@cache
def load_table(path: Path = SHIPPED) -> KerasTable:
    """Return the table in `path`, by default the one that is shipped.

    Raises:
        ValueError: the numbers are not those that the table was packed with.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    about: dict[str, Any] = json.loads(arrays.pop("about").tobytes())
    digest = digest_of(arrays)
    if digest != about["digest"]:
        raise ValueError(f"{path}: the numbers have digest {digest}, not {about['digest']}")
    space = SearchSpace.from_json(about["space"])
    return KerasTable(
        tasks=tuple(
            KerasTask(
                **task,
                space=space,
                configurations=tuple(about["configurations"]),
                seeds=tuple(_curves(arrays, seed, row) for seed in range(about["seeds"])),
            )
            for row, task in enumerate(about["tasks"])
        ),
        made_with=about["made_with"],
        digest=digest,
    )


def _curves(arrays: Mapping[str, NDArray[np.float32]], seed: int, row: int) -> Curves:
    channels = {name: arrays[f"{name}.{seed}"][row].astype(np.float64) for name in CHANNELS}
    return Curves(**channels)


def digest_of(arrays: Mapping[str, NDArray[np.float32]]) -> str:
    """Return the SHA-256 of arrays with their names, whatever the byte order of the machine."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode() + str(arrays[name].shape).encode())
        found.update(arrays[name].astype("<f4").tobytes())
    return found.hexdigest()
