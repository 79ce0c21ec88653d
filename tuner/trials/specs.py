"""The parsed specs of studies, so that a claim does not parse one."""

from __future__ import annotations

import json
import threading
from typing import Protocol

from tuner.spec import StudySpec, parse_stored

#: Studies whose specs are kept; the longest unused goes for one more.
MOST = 256


class Specified(Protocol):
    """A study, as far as its spec goes."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def revision(self) -> int:
        """Changes with the spec."""

    @property
    def spec_json(self) -> str:
        """As it is stored."""


class Specs:
    """Remembers the spec of each study in its present revision.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[int, StudySpec]] = {}

    def of(self, study: Specified) -> StudySpec:
        """Return the spec of a study."""
        with self._lock:
            known = self._known.pop(study.id, None)
            if known is None or known[0] != study.revision:
                known = (study.revision, parse_stored(json.loads(study.spec_json)))
            # In the order of their last use.
            self._known[study.id] = known
            if len(self._known) > MOST:
                del self._known[next(iter(self._known))]
        return known[1]
