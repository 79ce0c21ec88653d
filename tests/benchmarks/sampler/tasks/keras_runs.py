"""The table of Keras trainings that this project made itself (`tests/benchmarks/keras_table`).

Its axes are continuous and its configurations a sample of them, so each of its tasks is a pool.
"""

from __future__ import annotations

import numpy as np

from tests.benchmarks.keras_table.table import SHIPPED, KerasTask, load_table
from tests.benchmarks.sampler.tasks.task import NoDataError, Task


def keras_tasks() -> list[Task]:
    """Return the tasks of the table that is shipped.

    Raises:
        NoDataError: the table has not been made.
    """
    if not SHIPPED.is_file():
        raise NoDataError(f"keras: no table at {SHIPPED}; tests/benchmarks/keras_table makes it")
    return [_task(recorded) for recorded in load_table().tasks]


def _task(recorded: KerasTask) -> Task:
    space = recorded.space
    values = recorded.objective()
    # A training that diverged is told as the worst that did not.
    values = np.where(np.isnan(values), np.nanmax(values), values)
    curves = recorded.curves()
    rows = {space.key(params): row for row, params in enumerate(recorded.configurations)}
    return Task(
        name=recorded.name,
        family="keras",
        space=space,
        evaluate=lambda params: float(values[rows[space.key(params)]]),
        best=float(values.min()),
        median=float(np.median(values)),
        pool=tuple(recorded.configurations),
        curve=lambda params: curves[rows[space.key(params)]].tolist(),
    )
