"""ConfOpt's `ConformalTuner`, which calls the objective itself: here from a thread that waits.

It knows no conditions (inactive parameters are ignored here) and one trial at a time.
"""

from __future__ import annotations

import threading
import warnings
from queue import Queue
from typing import Any, Dict  # noqa: UP035

from confopt.tuning import ConformalTuner
from confopt.wrapping import CategoricalRange, FloatRange, IntRange

from tests.benchmarks.sampler.methods.method import Method, Problem
from tests.benchmarks.sampler.methods.values import from_plain
from tuner.space import Parameter, Params


class ConfOptMethod:
    """The thread has either asked for a value or is choosing the next configuration."""

    insight: dict[str, Any] | None = None

    def __init__(self, problem: Problem) -> None:
        self._space = problem.space
        self._wanted: Queue[dict[str, Any] | BaseException] = Queue()
        self._told: Queue[float] = Queue()
        self._asked = 0
        tuner = ConformalTuner(
            objective_function=self._objective,
            search_space={item.name: _range(item) for item in problem.space.parameters},
            minimize=True,
        )
        arguments = {"max_searches": problem.trials, "random_state": problem.seed, "verbose": False}
        thread = threading.Thread(target=self._tune, args=(tuner, arguments), daemon=True)
        thread.start()

    def ask(self) -> tuple[int, Params]:
        """Return the next trial.

        Raises:
            RuntimeError: the trial before was not told.
        """
        if self._told.unfinished_tasks != self._asked:
            raise RuntimeError("ConfOpt is asked for one trial at a time")
        wanted = self._wanted.get()
        if isinstance(wanted, BaseException):
            raise wanted
        self._asked += 1
        return self._asked, self._space.walk(lambda item: from_plain(item, wanted[item.name]))

    def tell(self, ticket: int, value: float) -> None:
        """Let the thread go on."""
        self._told.put(value)

    # It reads the annotation and takes no other.
    def _objective(self, configuration: Dict) -> float:  # type: ignore[type-arg]  # noqa: UP006
        self._wanted.put(configuration)
        return self._told.get()

    def _tune(self, tuner: Any, arguments: dict[str, Any]) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tuner.tune(**arguments)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the run is to see it
            self._wanted.put(exc)


def tuner(problem: Problem) -> Method:
    """Return it with its own settings."""
    return ConfOptMethod(problem)


def _range(item: Parameter) -> Any:
    if item.kind == "ordinal":
        return IntRange(min_value=0, max_value=len(item.values) - 1)
    if item.values:
        return CategoricalRange(choices=[str(value) for value in item.values])
    low, high = item.bounds
    if item.kind == "int":
        return IntRange(min_value=int(low), max_value=int(high), log_scale=item.log)
    return FloatRange(min_value=float(low), max_value=float(high), log_scale=item.log)
