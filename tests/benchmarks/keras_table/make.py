"""Making the table: training every configuration on every dataset, and packing what was trained."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from tests.benchmarks.keras_table import journal
from tests.benchmarks.keras_table.datasets import RECIPES, Dataset, Kind, load_dataset
from tests.benchmarks.keras_table.space import configurations
from tests.benchmarks.keras_table.training import Trainer, prepare_tensorflow, seed_of
from tuner.space import Params


def make(path: Path, *, count: int, seeds: int, until: datetime | None) -> None:
    """Train what `path` lacks of `count` configurations with `seeds` seeds, until a time.

    A configuration is trained on every dataset before the next one begins: its network is built
    once, and whenever this ends the table is complete for all datasets.
    """
    prepare_tensorflow()
    data = [load_dataset(name) for name in RECIPES]
    done = journal.read(path)
    every = configurations(count)
    missing = [
        (seed, index)
        for seed in range(seeds)
        for index in range(count)
        if (seed, index) not in done
    ]
    begun = time.monotonic()
    for number, (seed, index) in enumerate(missing, 1):
        if until is not None and datetime.now(until.tzinfo) >= until:
            print(f"stopped at {until:%H:%M}: {len(missing) - number + 1} are missing")
            return
        runs = dict(_train(every[index], index, seed, data))
        line = journal.Line(seed=seed, configuration=index, params=every[index], runs=runs)
        journal.append(path, line)
        pace = (time.monotonic() - begun) / number
        print(f"seed {seed}, configuration {index}: {pace:.1f} s each", flush=True)


def _train(
    params: Params, index: int, seed: int, data: list[Dataset]
) -> Iterator[tuple[str, dict[str, object]]]:
    trainer: Callable[[Kind], Trainer] = _once(params)
    for dataset in data:
        run = trainer(dataset.kind).run(dataset, seed_of(seed, dataset.name, index))
        yield dataset.name, dataclasses.asdict(run)


def _once(params: Params) -> Callable[[Kind], Trainer]:
    trainers: dict[Kind, Trainer] = {}

    def get(kind: Kind) -> Trainer:
        if kind not in trainers:
            trainers[kind] = Trainer(params, kind)
        return trainers[kind]

    return get
