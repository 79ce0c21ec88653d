"""The parsed specs of studies, so that a claim does not parse one."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from tuner.spec import StudySpec, parse_spec


class Specs:
    """Remembers the spec of each study in its present revision."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, StudySpec]] = {}

    def of(self, study: sa.Row[Any]) -> StudySpec:
        """Return the spec of a study's row."""
        known = self._known.get(study.id)
        if known is None or known[0] != study.revision:
            known = (study.revision, parse_spec(json.loads(study.spec_json)))
            self._known[study.id] = known
        return known[1]
