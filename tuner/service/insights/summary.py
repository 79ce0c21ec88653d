"""The content of `_study/study.json`: what a study is, and its current state.

Programs that read only the log root, such as the Best trials tab, get from it the order of
parameters, their ranges and conditions, the goals, and the state. docs/trials.md describes the
fields.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tuner.documents.study_folder.summary import SummaryDocument, SummaryParameter
from tuner.service.answers.views import status_document
from tuner.space import Parameter
from tuner.spec import StudySpec
from tuner.trials.study import Study

#: Version of the file's schema.
VERSION = 1
STUDY_FILE = "study.json"


def study_summary(
    connection: sa.Connection,
    study: Study,
    spec: StudySpec,
    order: Sequence[str],
    now: float,
) -> SummaryDocument:
    """Return what a study is and its current state.

    Args:
        order: names of parameters known to matter, most important first.
        now: the database's time.

    Returns:
        JSON values. `best`: the best complete trial; with several metrics the first of the front,
        with `objective` null and `pareto` the size of the front. `order` names every parameter.
    """
    status = status_document(connection, study, now)
    return {
        "version": VERSION,
        "study": status["study"],
        "state": status["state"],
        "reason": status["reason"],
        "metrics": status["metrics"],
        "constraints": [],
        "parameters": [parameter_document(parameter) for parameter in spec.space.parameters],
        "order": full_order(spec.space.parameters, order),
        "budget": status["budget"],
        "counts": status["counts"],
        "best": status["best"],
    }


def parameter_document(parameter: Parameter) -> SummaryParameter:
    """Return what is needed to show a parameter; every key is there, null if it does not apply.

    Returns:
        `values` holds the choices, for a fixed parameter its only one; `when` maps each parent to
        the values with which the parameter is active, and is null if it always is.
    """
    values = [parameter.value] if parameter.kind == "fixed" else list(parameter.values) or None
    when = {item.parent: list(item.values) for item in parameter.when}
    return {
        "name": parameter.name,
        "type": parameter.kind,
        "low": parameter.low,
        "high": parameter.high,
        "log": parameter.log,
        "step": parameter.step,
        "values": values,
        "when": when or None,
    }


def full_order(parameters: Sequence[Parameter], known: Sequence[str]) -> list[str]:
    """Return all names: those known to matter, tuned ones that every trial has, then the rest.

    Within each group in the order of the spec: while nothing is known, its author's order is the
    best.
    """

    def kind(parameter: Parameter) -> int:
        return 2 if parameter.size == 1 else 1 if parameter.when else 0

    names = [parameter.name for parameter in sorted(parameters, key=kind)]
    first = [name for name in known if name in set(names)]
    return first + [name for name in names if name not in set(first)]
