"""The source of a study's models: a hypermodel, or `build(params)` next to the objective."""

from __future__ import annotations

import importlib
import inspect
import time
from collections.abc import Mapping
from typing import Any, Protocol

from workers.hyper.book import Book
from workers.hyper.loading import Arguments, load_arguments, load_hypermodel
from workers.objective.finding import HYPERMODEL, load_objective
from workers.objective.task import Task
from workers.preflight.measuring import STEPS, EnoughStepsError, make_timer


class NoModelsError(Exception):
    """The study has nothing that can be built without a training; the text says why."""


class ModelSource(Protocol):
    """Builds a study's models."""

    #: The arguments of `fit`; empty if unknown.
    arguments: Arguments
    #: Whether a step of the training can be timed.
    can_train: bool

    def build(self, params: Mapping[str, Any]) -> Any:
        """Return the model of a configuration."""

    def time(self, model: Any) -> dict[str, Any]:
        """Return measurements of the training of the most recently built model."""


def open_source(task: Task) -> ModelSource:
    """Return the source of a study's models.

    Raises:
        NoModelsError: there is none.
        ObjectiveError: what the spec names does not exist.
    """
    if task.objective.startswith(HYPERMODEL):
        return HypermodelSource(task)
    if ":" not in task.objective:
        raise NoModelsError("only the command itself knows its models")
    return BuildSource(task)


class HypermodelSource:
    """A KerasTuner hypermodel with the data from its loader. Mutable: it remembers `hp`."""

    def __init__(self, task: Task) -> None:
        self._known = task.found
        self._hypermodel = load_hypermodel(task.objective.removeprefix(HYPERMODEL), task.code_root)
        self.arguments = load_arguments(task.loader, task.code_root)
        self.can_train = task.loader is not None or self._hypermodel.fit is not None
        #: A user-defined `fit` may not call our timer, and then trains to its end.
        self.has_own_fit = self._hypermodel.fit is not None
        self._hp: Any = None

    def build(self, params: Mapping[str, Any]) -> Any:
        """Return the model of a configuration.

        Raises:
            Exception: what the hypermodel raised.
        """
        from workers.hyper.bridge import TrialHyperParameters

        self._hp = TrialHyperParameters(Book(self._known, params, lambda found: None))
        self._hypermodel.declare(self._hp)
        return self._hypermodel.build(self._hp)

    def time(self, model: Any) -> dict[str, Any]:
        """Return `first_s`, `step_s`, `steps` and `epochs`, or `whole_s` of a training that ended.

        Raises:
            Exception: what the training raised.
        """
        timer = make_timer()
        given = {**self.arguments.kwargs, "callbacks": [timer]}
        # Validation follows the epoch, and here the epoch does not end.
        given = {key: value for key, value in given.items() if key != "validation_data"}
        names = ("first_s", "step_s", "steps", "epochs")
        started = time.perf_counter()
        try:
            if self._hypermodel.fit is None:
                epochs = given.get("epochs", 1)
                # Short epochs: several are needed for several steps.
                model.fit(*self.arguments.args, **{**given, "verbose": 0, "epochs": epochs + STEPS})
            else:
                self._hypermodel.fit(self._hp, model, *self.arguments.args, **given)
        except EnoughStepsError:
            found = {name: getattr(timer, name) for name in names}
            return {**found, **({} if self.has_own_fit else {"epochs": epochs})}
        # It has trained to its end without calling the timer; the next ones would do the same.
        self.can_train = not self.has_own_fit
        return {"whole_s": time.perf_counter() - started}


class BuildSource:
    """The function `build(params)` in the module of the objective, as in our examples."""

    arguments = Arguments()
    can_train = False

    def __init__(self, task: Task) -> None:
        objective = load_objective(task.objective, task.code_root)
        module = importlib.import_module(task.objective.partition(":")[0])
        build = getattr(module, "build", None)
        if not callable(build) or not _takes_params(build):
            raise NoModelsError(
                f"{objective.__module__} has no function build(params) that returns the model"
            )
        self._build = build

    def build(self, params: Mapping[str, Any]) -> Any:
        """Return the model of a configuration.

        Raises:
            Exception: what the function raised.
        """
        from workers.objective.run import Params

        return self._build(Params(params))

    def time(self, model: Any) -> dict[str, Any]:
        """Return nothing: only the objective knows how it trains."""
        del model
        return {}


def _takes_params(build: Any) -> bool:
    """Return whether `params` is the only required argument of a function."""
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [item.name for item in parameters if item.default is inspect.Parameter.empty]
    return needed == ["params"]
