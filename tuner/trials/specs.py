"""The specs of studies as they are stored: the one place that reads and writes `spec_json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tuner.space import SearchSpace
from tuner.spec import StudySpec, parse_stored
from tuner.spec.parts import Goal

#: Specs that are kept; the longest unused goes for one more.
MOST = 256


def write_spec(spec: StudySpec) -> str:
    """Return what is stored of a spec."""
    return json.dumps(spec.to_json())


@lru_cache(maxsize=MOST)
def read_spec(spec_json: str) -> StudySpec:
    """Return a stored spec; the same text is parsed once, so a claim parses none.

    Raises:
        SpecError: this release cannot read it: every problem, one a line.
        ValueError: it is not JSON.
    """
    return parse_stored(json.loads(spec_json))


def read_as_stored(spec_json: str) -> dict[str, Any]:
    """Return a stored spec as JSON values, for documents that hold it whole.

    Raises:
        ValueError: it is not JSON.
    """
    found: dict[str, Any] = json.loads(spec_json)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecOutline:
    """What lists and history need of a spec.

    The rest is not looked at: another release may have written it, and a thousand studies are
    read in a row.

    Attributes:
        metrics: goal by name, the first metric first.
        budget: the limits that it gives, by name.
        parallel: trials at once; None: no limit.
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
