"""Hypothesis strategies: search spaces of all kinds, and choices within them."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from tuner.space import Parameter, SearchSpace, Value

_WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_ -äß", min_size=1, max_size=8)
_FLOATS = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False, allow_infinity=False)


@st.composite
def ranges(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Return the definition of a float or int parameter."""
    log = draw(st.sampled_from([False, True, "reverse"]))
    if kind == "int":
        low = draw(st.integers(1 if log else -1000, 1000))
        high = low + draw(st.integers(1, 1000))
        step = None if log else draw(st.none() | st.integers(1, high - low))
    elif log or draw(st.booleans()):
        low = draw(st.floats(1e-6, 1e3) if log else _FLOATS)
        high, step = low + draw(st.floats(1e-3, 1e3)), None
    else:
        first, width, steps = draw(st.tuples(*(st.integers(1, 1000) for _ in range(3))))
        low, step = round(first / 100 - 5, 2), width / 1000
        high = round(low + steps * step, 3) + draw(st.sampled_from([0, width / 2000]))
    found: dict[str, Any] = {"type": kind, "low": low, "high": high, "log": log}
    return found if step is None else {**found, "step": step}


@st.composite
def choices(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Return the definition of a categorical or ordinal parameter, values of one type or mixed."""
    values = st.one_of(_WORDS, st.integers(-100, 100), _FLOATS, st.booleans())
    # Python's own equality, as Optuna compares choices.
    return {"type": kind, "values": draw(st.lists(values, min_size=1, max_size=6, unique_by=hash))}


def definitions() -> st.SearchStrategy[dict[str, Any]]:
    """Return definitions of every kind, without conditions."""
    return st.one_of(
        *(ranges(kind) for kind in ("float", "int")),
        *(choices(kind) for kind in ("categorical", "ordinal")),
        st.just({"type": "bool"}),
        _WORDS.map(lambda word: {"type": "fixed", "value": word}),
    )


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Return a space whose parameters may depend on ones defined before or after them."""
    drawn = draw(st.lists(definitions(), min_size=1, max_size=7))
    found = {f"p.x{i}": dict(item) for i, item in enumerate(drawn)}
    order = draw(st.permutations(list(found)))
    for position, name in enumerate(order):
        parents = [other for other in order[:position] if found[other]["type"] != "float"]
        if parents and draw(st.booleans()):
            chosen = draw(st.lists(st.sampled_from(parents), min_size=1, max_size=2, unique=True))
            found[name]["when"] = {parent: draw(_some_values(found[parent])) for parent in chosen}
    return SearchSpace.from_json({"parameters": found, "forbid": []})


def _some_values(definition: dict[str, Any]) -> st.SearchStrategy[list[Value]]:
    parameter = SearchSpace.from_json(
        {"parameters": {"p": {k: v for k, v in definition.items() if k != "when"}}}
    )["p"]
    indices = st.integers(0, (parameter.size or 1) - 1)
    return st.lists(indices.map(parameter.at), min_size=1, max_size=3)


def choose(seed: int) -> Any:
    """Return a chooser for `SearchSpace.walk`: uniform over the values of a parameter."""
    source = random.Random(seed)

    def pick(parameter: Parameter) -> Value:
        if parameter.size is not None:
            return parameter.at(source.randrange(parameter.size))
        low, high = parameter.bounds
        return min(max(source.uniform(low, high), low), high)

    return pick
