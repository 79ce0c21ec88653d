"""The parameters of a Katib Experiment: ranges and lists, with numbers written as strings."""

from __future__ import annotations

from decimal import Decimal

from tuner.convert.draft import SpecDraft
from tuner.convert.fields import Fields, as_number
from tuner.convert.ranges import Read, choices, interval
from tuner.space.value import is_whole, show

_DISTRIBUTIONS = ("uniform", "logUniform", "normal", "logNormal")


def read_parameters(spec: Fields, draft: SpecDraft) -> None:
    """Add the parameters of an Experiment's spec.

    Raises:
        SpecError: there are none, or one is invalid.
    """
    parameters = list(spec.each("parameters"))
    if not parameters:
        raise spec.wrong("parameters", "a list of parameters with a name and a feasibleSpace")
    for fields in parameters:
        name = fields.text("name")
        if not name or draft.names.knows(name):
            raise fields.wrong("name", "a name that no other parameter has")
        feasible = fields.fields("feasibleSpace")
        if feasible is None:
            raise fields.wrong("feasibleSpace", "the values that the parameter may have")
        draft.take(name, _read(fields, feasible), feasible, fields)


def _read(fields: Fields, feasible: Fields) -> Read:
    match fields.word("parameterType", "double", "int", "categorical", "discrete"):
        case "categorical" | "discrete" as kind:
            return _listed(feasible, kind)
        case "double" | "int" as kind:
            return _range(feasible, kind)
        case _:
            raise fields.wrong("parameterType", "one of double, int, categorical, discrete")


def _listed(feasible: Fields, kind: str) -> Read:
    values = feasible.list("list")
    if not values:
        raise feasible.wrong("list", "a list of at least one value")
    if kind == "categorical":
        return choices(values)
    numbers = [as_number(value) for value in values]
    if None in numbers:
        raise feasible.wrong("list", "a list of numbers, because the type is discrete")
    return choices(numbers)


def _range(feasible: Fields, kind: str) -> Read:
    low, high = feasible.needed("min"), feasible.needed("max")
    if low > high:
        raise feasible.wrong("min", f"a number of at most max ({show(high)})")
    whole = kind == "int"
    if whole and not (is_whole(low) and is_whole(high)):
        raise feasible.wrong("min", "whole numbers from min to max, because the type is int")
    step = feasible.number("step")
    if step is not None and (step <= 0 or (whole and not is_whole(step))):
        raise feasible.wrong("step", f"a {'whole ' if whole else ''}number above 0")
    distribution = feasible.word("distribution", *_DISTRIBUTIONS) or "uniform"
    log = distribution.startswith("log")
    if log and low <= 0:
        raise feasible.wrong("min", f"a number above 0, because the scale is {distribution}")
    lost = []
    # In decimal arithmetic: in binary, -4.988 - -4.99 is below 0.002.
    if step is not None and Decimal(str(step)) > Decimal(str(high)) - Decimal(str(low)):
        lost.append(f"a step of {show(step)}, which is wider than the range")
        step = None
    if distribution in ("normal", "logNormal"):
        lost.append(f"the distribution {distribution}: all values of the range are alike at first")
    if log and step is not None:
        lost.append(f"a log scale together with a step of {show(step)}")
        log = False
    return Read(definition=interval(low, high, whole=whole, log=log, step=step), lost=tuple(lost))
