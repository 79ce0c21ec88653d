"""Which parameters decided how good the trials of a study are, and which best values lie at an end.

A trial that was stopped counts with its last report, as it does everywhere: as a rule that is worse
than what it would have come to, and it was stopped because others were better. Failed ones say
nothing of the value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tuner.documents.importance import Importance
from tuner.storage import tables
from tuner.trials.specs import read_spec

#: With fewer results nothing is said; of more, the newest are looked at.
LEAST, MOST = 10, 2000


def importance_document(connection: sa.Connection, study: sa.Row[Any]) -> Importance:
    """Return which parameters matter in a study."""
    name = f"{study.project}/{study.name}"
    spec = read_spec(study.spec_json)
    known = _known(connection, study, len(spec.metrics))
    names = [item.name for item in spec.space.parameters if item.kind != "fixed"]
    if len(known) < LEAST:
        return {
            "study": name,
            "trials": len(known),
            "why": f"not known before {LEAST} trials have a result",
            "best": 0,
            "parameters": [{"name": key, "share": None} for key in names],
            "edges": [],
        }
    # numpy and scipy take half a second to import.
    from tuner.service.importance.weighing import weigh

    weighed = weigh(spec, known)
    return {"study": name, "trials": len(known), **weighed}


def _known(
    connection: sa.Connection, study: sa.Row[Any], metrics: int
) -> Sequence[tuple[sa.Row[Any], list[float]]]:
    """Return the trials that have a value for each metric, with these, in number order."""
    t = tables.trials
    query = (
        sa.select(t.c.number, t.c.state, t.c.objective, t.c.values_json, t.c.params_json)
        .where(t.c.study_id == study.id, t.c.state.in_(("complete", "pruned")))
        .order_by(t.c.number.desc())
        .limit(MOST)
    )
    rows = reversed(connection.execute(query).all())
    found = ((row, _values(row, metrics)) for row in rows)
    return [(row, values) for row, values in found if values is not None]


def _values(row: sa.Row[Any], metrics: int) -> list[float] | None:
    """Return one value for each metric; None: the trial has none."""
    values = json.loads(row.values_json) if row.values_json else []
    if metrics == 1:
        values = [row.objective]
    is_whole = len(values) == metrics and all(
        value is not None and math.isfinite(value) for value in values
    )
    return values if is_whole else None


class Importances:
    """The importances of studies, as their screens show them. Safe to use from several threads."""

    _KEPT = 100

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[Any, ...], Importance]] = {}

    def of(self, connection: sa.Connection, study: sa.Row[Any]) -> Importance:
        """Return which parameters matter in a study; counted anew when a result has come."""
        key = (study.revision, study.told)
        kept = self._kept.get(study.id)
        if kept is not None and kept[0] == key:
            return kept[1].copy()
        document = importance_document(connection, study)
        if len(self._kept) >= self._KEPT:
            self._kept.clear()
        self._kept[study.id] = (key, document)
        return document
