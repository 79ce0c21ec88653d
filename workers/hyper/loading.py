"""Finds and prepares the hypermodel and the loader that a study names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.hyper.problem import HypermodelError
from workers.objective.finding import load_object, load_objective
from workers.objective.numbers import describe


@dataclass(frozen=True, kw_only=True)
class Hypermodel:
    """A hypermodel: how it builds, trains and declares."""

    #: The user's name for it.
    name: str
    build: Callable[[Any], Any]
    #: None: Keras' own `model.fit`.
    fit: Callable[..., Any] | None
    declare: Callable[[Any], Any] = lambda hp: None


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments of `fit`."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def load_hypermodel(reference: str, code_root: str | None) -> Hypermodel:
    """Return the hypermodel that `reference` (`module:Name`) names.

    A subclass of KerasTuner's HyperModel is instantiated without arguments; an instance or a
    function `build(hp)` is used directly.

    Raises:
        HypermodelError: KerasTuner is not installed, or the name is none of these.
        ObjectiveError: there is no such module or name.
    """
    base = _base()
    found = load_object(reference, code_root, what="hypermodel")
    if isinstance(found, type):
        found = _instance(reference, found, base)
    if isinstance(found, base):
        has_fit = "fit" in vars(found) or type(found).fit is not base.fit
        return Hypermodel(
            name=reference,
            build=found.build,
            fit=found.fit if has_fit else None,
            declare=found.declare_hyperparameters,
        )
    if not callable(found) or hasattr(found, "build"):
        raise HypermodelError(
            f"hypermodel {reference!r} is {describe(found)}; it must be a subclass of "
            "keras_tuner.HyperModel, an instance of one, or a function build(hp)"
        )
    return Hypermodel(name=reference, build=found, fit=None)


def load_arguments(reference: str | None, code_root: str | None) -> Arguments:
    """Return the arguments of `fit` from a study's loader; empty without a loader.

    Raises:
        HypermodelError: it returns something other than arguments.
        ObjectiveError: there is no such function.
    """
    if reference is None:
        return Arguments()
    returned = load_objective(reference, code_root, what="data.loader")()
    if isinstance(returned, Mapping):
        return Arguments(kwargs=_keywords(reference, returned))
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], Mapping):
        positional, keywords = returned
        if isinstance(positional, tuple | list):
            return Arguments(args=tuple(positional), kwargs=_keywords(reference, keywords))
    if isinstance(returned, tuple | list):
        return Arguments(args=tuple(returned))
    raise HypermodelError(
        f"data.loader {reference!r} returned {describe(returned)}; it must return the arguments of "
        "fit: a dict of keywords, a tuple of positional ones, or (tuple, dict)"
    )


def _base() -> Any:
    try:
        import keras_tuner
    except ModuleNotFoundError as exc:
        if exc.name != "keras_tuner":
            raise
        raise HypermodelError(
            "a hypermodel needs KerasTuner, which is not installed for the worker; install it "
            "there with: pip install keras-tuner"
        ) from None
    return keras_tuner.HyperModel


def _instance(reference: str, kind: type, base: Any) -> Any:
    if not issubclass(kind, base):
        raise HypermodelError(
            f"hypermodel {reference!r} is a class that is not a keras_tuner.HyperModel; make it a "
            "subclass of that, or name a function build(hp)"
        )
    try:
        inspect.signature(kind).bind()
    except TypeError as exc:
        name = reference.rpartition(":")[2]
        raise HypermodelError(
            f"hypermodel {reference!r} cannot be made without arguments ({exc}); put an instance "
            f"into the module, as hypermodel = {name}(…), and name that"
        ) from None
    return kind()


def _keywords(reference: str, keywords: Mapping[Any, Any]) -> dict[str, Any]:
    for key in keywords:
        if not isinstance(key, str):
            raise HypermodelError(
                f"data.loader {reference!r} returned a dict with the key {describe(key)}; its keys "
                "must be names of arguments of fit"
            )
    return dict(keywords)
