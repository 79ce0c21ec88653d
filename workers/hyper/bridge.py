"""KerasTuner's `HyperParameters` with values from the trial.

Everything that a hypermodel does with `hp` (scopes, conditions, inactive parameters, names) is
handled by KerasTuner; only the values are ours. This involves KerasTuner's private methods
`_register` and `_conditions_are_active`; tests/hypermodels pins their behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras_tuner

from workers.host.typing import override
from workers.hyper.book import Book
from workers.hyper.definition import model_value
from workers.hyper.problem import HypermodelError

_Base: Any = keras_tuner.HyperParameters


class TrialHyperParameters(_Base):  # type: ignore[misc]
    """The hyperparameters of one call of a hypermodel. Mutable: they grow as it names them."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self._book = book
        #: Name and conditions of everything that was named, in order.
        self.named: list[Any] = []

    def Choice(self, name: Any, values: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        """As KerasTuner's; numpy's numbers and texts are taken as well."""
        return super().Choice(name, plain(values), *plain(args), **_plain_values(kwargs))

    def conditional_scope(
        self, parent_name: str, parent_values: Any
    ) -> AbstractContextManager[None]:
        """As in KerasTuner; also accepts numpy's numbers and texts."""
        scope: AbstractContextManager[None] = super().conditional_scope(
            parent_name, plain(parent_values)
        )
        return scope

    def copy(self) -> Any:
        """Return KerasTuner's own container: what is named there is not part of the search."""
        return keras_tuner.HyperParameters.from_config(self.get_config())

    def _register(self, hyperparameter: Any, overwrite: bool = False) -> Any:
        self._validate_name(hyperparameter.name)
        # A copy, as KerasTuner makes one: its conditions are the list that the scopes modify.
        hp = type(hyperparameter).from_config(hyperparameter.get_config())
        is_active = self._conditions_are_active(hp.conditions)
        # A name that has a value keeps it, under whatever conditions it is named again; and one
        # that should have its default (`merge`) is not searched.
        if not (overwrite or (is_active and hp.name in self.values)):
            entry = self._book.meet(hp, self.values)
            if is_active:
                self.values[hp.name] = hp.default if entry is None else self._choose(entry, hp)
            self._book.settle()
        self.named.append(hp)
        return super()._register(hp, overwrite)

    def _choose(self, entry: Any, hp: Any) -> Any:
        return self._book.take(entry, hp)


class ProbeHyperParameters(TrialHyperParameters):
    """The hyperparameters of a build that only looks for conditions.

    Args:
        wanted: values that open a condition, by the model's own names.
        draw: returns, for a hyperparameter without a value in the trial, the position of its value
            in its range, from 0 to below 1; None: use its default.
    """

    def __init__(
        self,
        book: Book,
        wanted: Mapping[str, Any] | None = None,
        draw: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(book)
        self._wanted = wanted or {}
        self._draw = draw

    @override
    def _choose(self, entry: Any, hp: Any) -> Any:
        if hp.name in self._wanted:
            try:
                return model_value(hp, self._wanted[hp.name])
            except (
                HypermodelError
            ):  # another definition of the name; or a condition that never holds
                pass
        if self._draw is not None and entry.found.name not in self._book.params:
            return hp.prob_to_value(self._draw())
        return self._book.peek(entry, hp)


def plain(value: Any) -> Any:
    """Return numpy's scalars, including those in lists and tuples, as Python's own."""
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    if isinstance(value, Sequence) or not hasattr(value, "tolist"):
        return value
    # A scalar, or an array of choices.
    return value.tolist()


def _plain_values(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plain(value) for key, value in kwargs.items()}
