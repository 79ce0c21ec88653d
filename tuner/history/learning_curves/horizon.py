"""How long a training is meant to be, by the name of a parameter or constant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from tuner.history.matching.naming import split_name
from tuner.history.matching.values import as_number

#: The last word of a name that says how many steps a whole trial has.
_WORDS = frozenset(
    (
        *("epochs", "max_epochs", "max_epoch", "n_epochs", "num_epochs", "nb_epochs", "nb_epoch"),
        *("number_of_epochs", "total_epochs", "training_epochs", "train_epochs"),
    )
)


def declared_horizon(values: Mapping[str, object]) -> float | None:
    """Return the steps of a whole trial that its parameters and constants declare.

    Args:
        values: by name.

    Returns:
        None when no name says it, or two names say it differently.
    """
    found = {
        number
        for name, value in values.items()
        if _says_length(name)
        and not isinstance(value, bool)
        and (number := as_number(value)) is not None
        and number >= 1
    }
    return found.pop() if len(found) == 1 else None


@lru_cache(maxsize=4096)
def _says_length(name: str) -> bool:
    # The same few hundred names are asked for with every trial.
    return split_name(name)[-1] in _WORDS
