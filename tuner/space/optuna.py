"""A parameter as Optuna sees it, and back.

An ordinal becomes the index of its value, an `IntDistribution`: samplers then know the order.
Optuna has no reversed log scale: such a range is linear there.
Fixed parameters are not Optuna's business and have no distribution.
"""

from __future__ import annotations

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.space.parameter import Parameter, ParameterKind
from tuner.space.value import Value, is_value, is_whole


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return the Optuna distribution of a parameter that is not fixed.

    Raises:
        ValueError: the parameter is fixed.
    """
    if parameter.kind == "fixed":
        raise ValueError(f"{parameter.name}: a fixed parameter has no distribution")
    if parameter.kind == "ordinal":
        return IntDistribution(0, len(parameter.values) - 1)
    if parameter.values:
        return CategoricalDistribution(parameter.values)
    low, high = parameter.bounds
    if parameter.kind == "int":
        step = 1 if parameter.step is None else int(parameter.step)
        return IntDistribution(int(low), int(high), log=parameter.log is True, step=step)
    return FloatDistribution(low, high, log=parameter.log is True, step=parameter.step)


def to_optuna(parameter: Parameter, value: Value) -> Value:
    """Return `value` as Optuna's external value of `distribution(parameter)`.

    Raises:
        ValueError: the parameter does not allow the value.
    """
    found = parameter.canonical(value)
    return parameter.values.index(found) if parameter.kind == "ordinal" else found


def from_optuna(parameter: Parameter, value: Value) -> Value:
    """Invert `to_optuna`.

    Raises:
        ValueError: the value is not one of the distribution.
    """
    if parameter.kind != "ordinal":
        return parameter.canonical(value)
    if not is_whole(value) or not 0 <= value < len(parameter.values):
        raise ValueError(f"{parameter.name}: {value!r} is not an index of {parameter.values}")
    return parameter.values[int(value)]


def from_distribution(name: str, dist: BaseDistribution) -> Parameter:
    """Return the parameter that a foreign Optuna distribution describes; one value becomes fixed.

    Raises:
        ValueError: the distribution has no counterpart (a choice that is None, an unknown class).
    """
    if isinstance(dist, CategoricalDistribution):
        return _from_choices(name, dist)
    if not isinstance(dist, IntDistribution | FloatDistribution):
        raise ValueError(f"{name}: {type(dist).__name__} has no counterpart here")
    if dist.single():
        return Parameter(name=name, kind="fixed", value=dist.low)
    kind: ParameterKind = "int" if isinstance(dist, IntDistribution) else "float"
    # Optuna writes "every whole number" as step 1; here no step says the same.
    step = None if kind == "int" and dist.step == 1 else dist.step
    return Parameter(name=name, kind=kind, low=dist.low, high=dist.high, step=step, log=dist.log)


def _from_choices(name: str, dist: CategoricalDistribution) -> Parameter:
    values: list[Value] = []
    for choice in dist.choices:
        if not is_value(choice):
            raise ValueError(
                f"{name}: the choice {choice!r} is neither text, number, true nor false"
            )
        values.append(choice)
    if dist.single():
        return Parameter(name=name, kind="fixed", value=values[0])
    if len(values) == 2 and all(isinstance(value, bool) for value in values):
        return Parameter(name=name, kind="bool")
    return Parameter(name=name, kind="categorical", values=tuple(values))
