"""Names of hyperparameters: KerasTuner accepts any text, a study only dotted words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.protocol import branch_name, dotted_name
from tuner.protocol import free_name as numbered
from tuner.space import Condition

#: Maximum length of a hyperparameter's own name, which is sent with it.
MAX_SOURCE = 300


def free_name(source: str, when: Sequence[Condition], sources: Mapping[str, str]) -> str:
    """Return the study's name for a hyperparameter, formed as workers do for a hypermodel.

    Args:
        source: the hyperparameter's own name.
        when: its conditions, innermost last, which distinguish it from others of the same name.
        sources: the own names of other hyperparameters, by their names in the study.
    """
    name = dotted_name(source)
    if sources.get(name) == source and when:
        name = branch_name(name, when[-1].values[0])
    return numbered(name, sources)
