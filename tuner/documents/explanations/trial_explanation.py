"""Why a trial was proposed."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from tuner.documents.document import Document
from tuner.documents.explanations.explanation import ExplainedProposal


class NearTrial(Document):
    """A historic trial near a proposal."""

    study: str
    kind: str
    locator: str
    trial: str
    #: Relative to the log root; null for imports.
    run_dir: str | None
    params: dict[str, Any]
    metric: str | None
    value: float | None
    #: Root mean square over the parameters known there, as fractions of their ranges.
    distance: float


class EarlierTrial(Document):
    """The best trial that a proposal knew."""

    trial: int
    objective: float | None


class Driver(Document):
    """A parameter that makes a proposal worth a trial, and what is expected with it put back."""

    name: str
    value: Any
    there: Any
    #: Whether it has its value for a better result; false: for what is learned there.
    gains: bool
    expected: float
    expected_low: float
    expected_high: float


class NearestValue(Document):
    """The value nearest to one that is new, and its trial; null: there is none."""

    trial: int | None
    value: Any


class ParameterChange(Document):
    """A parameter beside the same of the best trial that was known."""

    name: str
    value: Any
    there: Any
    #: Practically the same.
    same: bool
    #: Null: something like this value was tried before.
    nearest: NearestValue | None


class Comparison(Document):
    """How a proposal differs from the best trial that it knew; empty where no model compared."""

    #: Share of the expected improvement that comes from uncertainty, from 0 to 1.
    exploring: float | None
    against: EarlierTrial | None
    drivers: list[Driver]
    changes: list[ParameterChange]


#: How often the sampler was asked before; null: not recorded by an earlier release.
_Tried = TypedDict("_Tried", {"try": int | None})


class TrialExplanation(ExplainedProposal, Comparison, _Tried):
    """Why a trial was proposed."""

    study: str
    params: dict[str, Any]
    why: str
    #: The same at length, in sentences; empty if no model chose.
    because: list[str]
    told: int
    pending: list[int]
    seed: int
    retry_of: int | None
    acquisition: float | None
    #: The models' predictions, on their own scale.
    z: dict[str, float | None]
    nearest: list[NearTrial]
    #: As in `tuner.documents.trial.TrialDetail`.
    stop: dict[str, Any] | None
