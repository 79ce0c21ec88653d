"""A run's hyperparameters in a form that TensorBoard's table can display.

TensorBoard cannot sort a column that holds numbers in one run and text in another: it answers with
an error for the whole table. And it stores every number as a float, which cannot distinguish
integers beyond 2**53. A parameter affected by either is therefore logged as text everywhere, as
declared in the experiment record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

#: Integers beyond this have no exact float.
_EXACT = 1 << 53


def session_hparams(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters to log for a run.

    Args:
        config: content of `config.json`: `params`, and `spec` with the definitions in
            `search_space`.
    """
    definitions = config.get("spec", {}).get("search_space", {})
    return {
        name: _logged(value, _values(definitions.get(name)))
        for name, value in config["params"].items()
    }


def is_text(values: Sequence[object]) -> bool:
    """Whether a parameter is logged as text.

    Args:
        values: its choices, or the ends of its range: text is needed if one is not exactly a float,
            or if they have several types in TensorBoard's sense.
    """
    types = {float if type(value) is int else type(value) for value in values}
    return len(types) > 1 or any(type(value) is int and abs(value) > _EXACT for value in values)


def text_of(value: object, values: Sequence[object]) -> str:
    """Return a value as text, distinct for each of `values`: true is not "True"."""
    texts = {str(item) for item in values}
    return str(value) if len(texts) == len(values) else json.dumps(value, ensure_ascii=False)


def _logged(value: object, values: Sequence[object]) -> object:
    # A number outside the declaration must keep its digits all the same.
    is_inexact = type(value) is int and abs(value) > _EXACT
    return text_of(value, values) if is_inexact or is_text(values) else value


def _values(definition: object) -> Sequence[object]:
    """Return the choices of a parameter, or the ends of its range."""
    if not isinstance(definition, Mapping):
        return ()
    values = definition.get("values")
    if isinstance(values, Sequence) and not isinstance(values, str):
        return values
    # The ends of a range of floats may be written as integers.
    ends = (
        (definition.get("low"), definition.get("high")) if definition.get("type") == "int" else ()
    )
    return [end for end in ends if type(end) is int]
