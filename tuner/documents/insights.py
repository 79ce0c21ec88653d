"""What the trials of a study say: the content of `_study/insights.json`."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

# pydantic takes no other TypedDict before Python 3.12.
from typing_extensions import TypedDict

from tuner.documents.document import Document
from tuner.documents.importance import Edge, ImportantParameter

AdviceKind = Literal["matters", "edge", "more_trials", "little", "pruning", "history"]


class MethodShare(ImportantParameter):
    """A tuned parameter, and its share as one method has it."""

    #: In which share of the trials it is active. `insights.json` has it always; what the service
    #: says of importance alone has not.
    active: NotRequired[float]


class ConditionalShare(Document):
    """A parameter that depends on others, and its share among the trials in which it is active."""

    name: str
    #: For each parent the values with which the parameter is active.
    when: dict[str, list[Any]]
    share: float


class PairShare(Document):
    """What two parameters explain together and neither does alone."""

    names: list[str]
    share: float


class MethodImportance(Document):
    """Which parameters matter, as one method has it."""

    #: Why nothing is known; else empty.
    why: str
    #: Those that matter first. It is missing where the method has too few trials.
    parameters: NotRequired[list[MethodShare]]
    #: PED-ANOVA's, where parameters depend on others.
    conditions: NotRequired[list[ConditionalShare]]
    #: fANOVA's.
    pairs: NotRequired[list[PairShare]]


class ImportanceMethods(Document):
    """Which parameters matter, by method; there is none before enough trials have a result."""

    main_effects: NotRequired[MethodImportance]
    ped_anova: NotRequired[MethodImportance]
    fanova: NotRequired[MethodImportance]


class ImportanceByMethod(Document):
    """Which parameters matter."""

    #: Why no method knows anything; else empty.
    why: str
    methods: ImportanceMethods


class NextRange(Document):
    """The range of a number to try in the next study."""

    low: int | float
    high: int | float
    log: bool


#: The key is a word of Python's, which no field of a class can be called.
_Tried = TypedDict("_Tried", {"try": NextRange | None})


class WidenedEdge(Edge, _Tried):
    """A parameter whose best values lie at an end, and which range to try next.

    `try` is null where only its owner knows what lies beyond.
    """


class Advice(Document):
    """What to know or to do, in words."""

    kind: AdviceKind
    text: str
    #: That it is about; missing: it is about none.
    parameter: NotRequired[str]


class Improvement(Document):
    """Whether more trials are likely to pay; values are in the metric's unit, null: not known."""

    #: Why nothing can be said; else empty.
    why: str
    #: So many trials are looked ahead.
    next_trials: int | None
    #: That one of them is better than the best by more than a trifle.
    chance: float | None
    #: The best value after them, and the middle 80 % of it.
    expected: float | None
    low: float | None
    high: float | None
    #: The best value anywhere is better by less than this, with a chance of nine tenths.
    regret: float | None


class HistorySay(Document):
    """How much say history had in a proposal."""

    trial: int
    #: From 0 to 1.
    share: float
    #: In the model of history beside the study's own, from 0 to 1; null: only one was asked.
    trust: float | None
    #: Whether history chose the trial.
    proposed_by_history: bool


class InsightsDocument(Document):
    """What the trials of a study say. The file holds the time as well, as `updated`."""

    #: Of the file's form.
    version: int
    study: str
    #: Trials that were looked at.
    trials: int
    importance: ImportanceByMethod
    edges: list[WidenedEdge]
    #: Most important first.
    advice: list[Advice]
    #: Null before enough trials have a result.
    improvement: Improvement | None
    #: Of each trial in number order; empty: history never had any say.
    history: list[HistorySay]
