"""Study specs as stored: the only module that reads and writes `spec_json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tuner.space import SearchSpace
from tuner.spec import StudySpec, parse_stored
from tuner.spec.parts import Goal

#: Maximum number of parsed specs that are cached; the least recently used one is dropped.
MOST = 256


def write_spec(spec: StudySpec) -> str:
    """Return the stored form of a spec."""
    return json.dumps(spec.to_json())


@lru_cache(maxsize=MOST)
def read_spec(spec_json: str) -> StudySpec:
    """Return a stored spec; each text is parsed only once, so claims do not parse.

    Raises:
        SpecError: this release cannot read it; the message lists every problem, one per line.
        ValueError: it is not JSON.
    """
    return parse_stored(json.loads(spec_json))


def read_as_stored(spec_json: str) -> dict[str, Any]:
    """Return a stored spec as JSON values, for documents that contain the whole spec.

    Raises:
        ValueError: it is not JSON.
    """
    found: dict[str, Any] = json.loads(spec_json)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecOutline:
    """The parts of a spec that lists and the history need.

    The rest is ignored: another release may have written it, and up to a thousand studies are read
    at a time.

    Attributes:
        metrics: goal by name, the first metric first.
        budget: its limits, by name.
        parallel: maximum number of trials at once; None: no limit.
        definitions: of the parameters, by name.
        forbid: see `SearchSpace`.
    """

    metrics: Mapping[str, Goal]
    budget: Mapping[str, Any]
    parallel: int | None
    definitions: Mapping[str, Any]
    forbid: list[Any]

    @classmethod
    def of(cls, spec_json: str) -> SpecOutline:
        """Return the outline of a stored spec.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: it is damaged.
        """
        spec = read_as_stored(spec_json)
        return cls(
            metrics={metric["name"]: metric["goal"] for metric in spec["metric"]},
            budget=spec["budget"],
            parallel=spec.get("parallel"),
            definitions=spec["search_space"],
            forbid=spec.get("forbid", []),
        )

    @property
    def space(self) -> SearchSpace:
        """The search space.

        Raises:
            SpecError: it is not valid for this release.
        """
        return SearchSpace.from_json({"parameters": self.definitions, "forbid": self.forbid})
