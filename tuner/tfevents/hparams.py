"""The hyperparameters of a run in the form that TensorBoard's table can handle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def session_hparams(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters to log for a run.

    TensorBoard cannot sort a column that holds numbers in one run and texts in another: it answers
    with an error for the whole table. A parameter whose choices are of several types is therefore
    logged as text everywhere, as its declaration in the experiment record says.

    Args:
        config: content of `config.json`: `params`, and `spec` with the definitions in
            `search_space`.
    """
    definitions = config.get("spec", {}).get("search_space", {})
    return {
        name: str(value) if _is_mixed(definitions.get(name)) else value
        for name, value in config["params"].items()
    }


def _is_mixed(definition: object) -> bool:
    """Whether the parameter has choices of several types, as TensorBoard counts them."""
    values = definition.get("values") if isinstance(definition, Mapping) else None
    if not isinstance(values, Sequence):
        return False
    return len({float if type(value) is int else type(value) for value in values}) > 1
