"""What a study knows about the parameters that its trials have found."""

from __future__ import annotations

from tuner.protocol import Found
from tuner.space import definition
from tuner.spec.model import StudySpec


def known_parameters(spec: StudySpec) -> list[Found]:
    """Return the parameters of a study that finds its space, in the form of an assignment.

    A parameter that the user defined has no source until a trial has found it. A definition is
    always the hypermodel's own, even if the search space holds a narrower one.
    """
    if not spec.finds_space:
        return []
    marks = {item.name: item for item in spec.found}
    known: list[Found] = []
    for parameter in spec.space.parameters:
        mark = marks.get(parameter.name)
        own = None if mark is None else mark.definition
        known.append(
            Found(
                name=parameter.name,
                source="" if mark is None else mark.source,
                definition=own or definition.to_json(parameter),
            )
        )
    return known
