"""The tasks that samplers are compared on.

To add a family: a module with a loader, and a line in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from tests.benchmarks.sampler.tasks.bbob import bbob_tasks
from tests.benchmarks.sampler.tasks.continuous import continuous_tasks, wide_tasks
from tests.benchmarks.sampler.tasks.curves import curve_tasks
from tests.benchmarks.sampler.tasks.keras_runs import keras_tasks
from tests.benchmarks.sampler.tasks.lcbench import lcbench_tasks
from tests.benchmarks.sampler.tasks.recorded import recorded_tasks
from tests.benchmarks.sampler.tasks.structured import structured_tasks
from tests.benchmarks.sampler.tasks.task import Task

#: Family → its tasks, from the folder of published data (None: not given; `NoDataError` is raised).
FAMILIES: Mapping[str, Callable[[Path | None], list[Task]]] = {
    **continuous_tasks(),
    **structured_tasks(),
    **wide_tasks(),
    **curve_tasks(),
    "lcbench": lcbench_tasks,
    "svm": lambda folder: recorded_tasks(folder, "svm50"),
    "xgboost": lambda folder: recorded_tasks(folder, "xgboost10"),
    "deepar": lambda folder: recorded_tasks(folder, "deepar10"),
    "keras": lambda _: keras_tasks(),
    "bbob": lambda _: bbob_tasks(),
}
#: Names for several families.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "continuous": tuple(continuous_tasks()),
    "structured": tuple(structured_tasks()),
    "wide": tuple(wide_tasks()),
    "curves": tuple(curve_tasks()),
    "published": ("lcbench", "svm", "xgboost", "deepar"),
    "pools": ("xgboost", "deepar"),
}


@cache
def load_family(name: str, folder: Path | None) -> list[Task]:
    """Return all tasks of a family, in a fixed order.

    Raises:
        KeyError: there is no such family.
        NoDataError: its data are not there; the message says what to give.
    """
    return FAMILIES[name](folder)


def family_names(names: list[str]) -> list[str]:
    """Return the families that names, groups and patterns (`hart*`) stand for.

    Raises:
        KeyError: a name stands for nothing.
    """
    found: dict[str, None] = {}
    for name in names:
        members = GROUPS.get(name) or tuple(f for f in FAMILIES if fnmatchcase(f, name))
        if not members:
            known = ", ".join([*GROUPS, *FAMILIES])
            raise KeyError(f"no family of tasks is called {name}; there are: {known}")
        found |= dict.fromkeys(members)
    return list(found)
