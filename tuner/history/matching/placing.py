"""The recorded values of one parameter as positions on this study's scale of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.history.matching.values import as_number, match_choice
from tuner.space.axis import Axis
from tuner.space.scale import all_scaled, scaled
from tuner.space.value import Value, is_number, show
from tuner.surrogate.columns import Floats

Flags = npt.NDArray[np.bool_]

#: Values further outside a range than this, in widths of the range, say nothing about its inside.
FAR = 1.0
#: A number this little outside a range, as a share of the range, was rounded rather than outside.
_ROUNDED = 1e-6
#: A position this close to one of a grid is on the grid.
_ON_GRID = 1e-5
#: Maximum number of foreign values that a note names.
_NAMED = 3
_NO_PLACE = {
    True: "are not above 0 and have no place on a log scale",
    "reverse": "are not below low + high and have no place on a reversed log scale",
}


@dataclass(frozen=True, kw_only=True)
class PlacedColumn:
    """One parameter in n trials.

    Attributes:
        x: (n,) positions, see `tuner.surrogate.columns`; NaN if there is none.
        known: (n,) whether the trial has a position.
        foreign: (n,) whether it has a value without a position here, such as another choice.
        notes: what was done to the values, in words.
    """

    x: Floats
    known: Flags
    foreign: Flags
    notes: tuple[str, ...] = ()

    @classmethod
    def nowhere(cls, n: int) -> PlacedColumn:
        """Return a parameter that no trial has recorded."""
        nothing = np.zeros(n, dtype=bool)
        return cls(x=np.full(n, np.nan), known=nothing, foreign=nothing)


def is_far(x: Floats) -> Flags:
    """Return which positions on a scale are far outside its range; NaN is not."""
    with np.errstate(invalid="ignore"):
        far: Flags = (x < -FAR) | (x > 1 + FAR)
    return far


def place(axis: Axis, values: Sequence[Value | None]) -> PlacedColumn:
    """Return the positions of recorded values on an axis; None is a trial without one."""
    missing = np.fromiter((value is None for value in values), dtype=bool, count=len(values))
    tally: Counter[str] = Counter()
    others: dict[str, int] = {}
    if axis.parameter.values:
        x = _place_listed(axis, values, tally, others)
    else:
        x = _place_numbers(axis, values, tally, others)
    known = ~np.isnan(x)
    foreign = ~known & ~missing
    if axis.kind != "choice":
        far = int(np.count_nonzero(is_far(x)))
        if 2 * far > int(known.sum()):
            # Another unit, or a constant of earlier times: the rest of the trial is still valid.
            tally["lie far outside the range here: left open"] = far
            x, known, foreign = np.full(len(values), np.nan), known & False, foreign & False
        elif outside := int(np.count_nonzero((x < 0) | (x > 1))):
            tally["lie outside the range here"] = outside
    if foreign.any():
        tally[_name_others(axis, others)] = int(foreign.sum())
    given = len(values) - int(missing.sum())
    notes = tuple(f"{count} of {given} values {what}" for what, count in tally.items() if what)
    return PlacedColumn(x=x, known=known, foreign=foreign, notes=notes)


def _place_numbers(
    axis: Axis, values: Sequence[Value | None], tally: Counter[str], others: dict[str, int]
) -> Floats:
    numbers = _as_numbers(values, tally, others)
    parameter = axis.parameter
    low, high = (float(bound) for bound in parameter.bounds)
    usable = np.isfinite(numbers)
    if parameter.log:
        numbers = all_scaled(parameter, np.where(usable, numbers, np.nan))
        none = int(np.count_nonzero(usable & np.isnan(numbers)))
        if none:
            tally[_NO_PLACE[parameter.log]] = none
        usable &= ~np.isnan(numbers)
        low, high = scaled(parameter, low), scaled(parameter, high)
    with np.errstate(over="ignore"):
        x = np.where(usable, (numbers - low) / (high - low), np.nan)
    x[(x < 0) & (x > -_ROUNDED)] = 0.0
    x[(x > 1) & (x < 1 + _ROUNDED)] = 1.0
    if axis.kind == "grid":
        _to_grid(axis, x, tally)
    return x


def _as_numbers(
    values: Sequence[Value | None], tally: Counter[str], others: dict[str, int]
) -> Floats:
    """Return the values as numbers, NaN for those that are not."""
    kinds = set(map(type, values))
    if kinds <= {float, int, type(None)}:
        try:
            return np.array(values, dtype=np.float64)
        except OverflowError:
            pass  # A whole number beyond all floats: one by one.
    numbers = np.full(len(values), np.nan)
    for index, value in enumerate(values):
        if value is None:
            continue
        number = as_number(value)
        if number is None:
            text = show(value)
            others[text] = others.get(text, 0) + 1
            continue
        numbers[index] = number
        if not is_number(value):
            tally["were text" if isinstance(value, str) else "were true or false"] += 1
    return numbers


def _to_grid(axis: Axis, x: Floats, tally: Counter[str]) -> None:
    """Move values that are on the grid except for rounding; the others stay in between."""
    inside = (x >= 0) & (x <= 1)
    if not inside.any():
        return
    nearest = axis.snap(x[inside])
    # A grid finer than the rounding error has a value everywhere.
    near = np.abs(nearest - x[inside]) < min(_ON_GRID, 0.01 / max(axis.size, 1))
    x[inside] = np.where(near, nearest, x[inside])
    between = int(np.count_nonzero(~near))
    if between:
        tally["lie between those of the grid here"] += between


def _place_listed(
    axis: Axis, values: Sequence[Value | None], tally: Counter[str], others: dict[str, int]
) -> Floats:
    # Python considers 1, 1.0 and True the same key.
    counts = Counter((type(value), value) for value in values if value is not None)
    places: dict[tuple[type, Value | None], float] = {(type(None), None): math.nan}
    for (kind, value), count in counts.items():
        places[kind, value] = _place_choice(axis, value, count, tally, others)
    return np.array([places[type(value), value] for value in values], dtype=np.float64)


def _place_choice(
    axis: Axis, value: Value, count: int, tally: Counter[str], others: dict[str, int]
) -> float:
    match = match_choice(value, axis.parameter.values)
    if match is not None:
        choice, how = match
        if how == "converted":
            tally["were written in another type"] += count
        if how == "spelling":
            tally[f"were {show(value)}, taken for {show(choice)} (a guess)"] += count
        return axis.unit(choice)
    number = None if axis.kind == "choice" else as_number(value)
    try:
        # An ordinal with ascending numbers has positions between and beyond them.
        position = math.nan if number is None else axis.unit(number)
    except ValueError:
        position = math.nan
    if math.isnan(position):
        others[show(value)] = count
    elif 0 <= position <= 1:
        tally["lie between those listed here"] += count
    return position


def _name_others(axis: Axis, others: dict[str, int]) -> str:
    """Return what the values without a position are; empty if a note says so already."""
    if not others:
        return ""
    names = sorted(others, key=lambda name: (-others[name], name))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    what = "are other choices" if axis.parameter.values else "are not numbers"
    return f"{what}: {', '.join(names[:_NAMED])}{more}"
