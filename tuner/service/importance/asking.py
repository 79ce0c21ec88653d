"""Which parameters decided how good a study's trials are, and which best values lie at a bound.

A stopped trial counts with its last report, as everywhere: usually that is worse than what it would
have reached, and it was stopped because others were better. Failed trials say nothing about the
value.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.documents.importance import Importance
from tuner.trials.specs import read_spec
from tuner.trials.store.listings.results import read_results
from tuner.trials.study import Study

#: Minimum number of results for an answer, and the maximum used, the newest ones.
LEAST, MOST = 10, 2000


def importance_document(connection: sa.Connection, study: Study) -> Importance:
    """Return which parameters matter in a study."""
    name = f"{study.project}/{study.name}"
    spec = read_spec(study.spec_json)
    known = read_results(connection, study.id, metrics=len(spec.metrics), most=MOST)
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
    # Importing numpy and scipy takes half a second.
    from tuner.service.importance.weighing import weigh

    weighed = weigh(spec, known)
    return {"study": name, "trials": len(known), **weighed}


class Importances:
    """The importances of studies, as their pages show them. Thread-safe."""

    _KEPT = 100

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[Any, ...], Importance]] = {}

    def of(self, connection: sa.Connection, study: Study) -> Importance:
        """Return which parameters matter in a study; recomputed after each new result."""
        key = (study.revision, study.told)
        kept = self._kept.get(study.id)
        if kept is not None and kept[0] == key:
            return kept[1].copy()
        document = importance_document(connection, study)
        if len(self._kept) >= self._KEPT:
            self._kept.clear()
        self._kept[study.id] = (key, document)
        return document
