"""Names of hyperparameters: KerasTuner takes any text, a study takes dotted words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.protocol import branch_name, dotted_name
from tuner.protocol import free_name as numbered
from tuner.space import Condition

#: Letters of a hyperparameter's own name that travel with it.
MAX_SOURCE = 300


def free_name(source: str, when: Sequence[Condition], sources: Mapping[str, str]) -> str:
    """Return the name in the study of a hyperparameter, as workers name those of a hypermodel.

    Args:
        source: its own name.
        when: its conditions, the innermost last: what tells it from another one of its name.
        sources: the own names of others, by those in the study.
    """
    name = dotted_name(source)
    if sources.get(name) == source and when:
        name = branch_name(name, when[-1].values[0])
    return numbered(name, sources)
