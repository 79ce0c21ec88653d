"""The intended length of a training, by the name of a parameter or constant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from tuner.history.matching.naming import split_name
from tuner.history.matching.values import as_number

#: The last word of a name that gives the number of steps of a complete trial.
_WORDS = frozenset(
    (
        *("epochs", "max_epochs", "max_epoch", "n_epochs", "num_epochs", "nb_epochs", "nb_epoch"),
        *("number_of_epochs", "total_epochs", "training_epochs", "train_epochs"),
    )
)


def declared_horizon(values: Mapping[str, object]) -> float | None:
    """Return the steps of a complete trial that its parameters and constants declare.

    Args:
        values: parameters and constants by name.

    Returns:
        None if no name declares it, or two names contradict each other.
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
    # The same few hundred names are looked up for every trial.
    return split_name(name)[-1] in _WORDS
