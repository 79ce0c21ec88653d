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

    #: The fraction of the trials in which it is active. Always present in `insights.json`, but
    #: missing in the service's answer on importance alone.
    active: NotRequired[float]


class ConditionalShare(Document):
    """A parameter that depends on others, and its share among the trials in which it is active."""

    name: str
    #: For each parent, the values that activate the parameter.
    when: dict[str, list[Any]]
    share: float


class PairShare(Document):
    """What two parameters explain together and neither does alone."""

    names: list[str]
    share: float


class MethodImportance(Document):
    """Which parameters matter, as one method has it."""

    #: Why nothing is known; otherwise empty.
    why: str
    #: Most important first. Missing if there are too few trials for the method.
    parameters: NotRequired[list[MethodShare]]
    #: From PED-ANOVA, if parameters depend on others.
    conditions: NotRequired[list[ConditionalShare]]
    #: From fANOVA.
    pairs: NotRequired[list[PairShare]]


class ImportanceMethods(Document):
    """Which parameters matter, by method; there is none before enough trials have a result."""

    main_effects: NotRequired[MethodImportance]
    ped_anova: NotRequired[MethodImportance]
    fanova: NotRequired[MethodImportance]


class ImportanceByMethod(Document):
    """Which parameters matter."""

    #: Why no method has a result; otherwise empty.
    why: str
    methods: ImportanceMethods


class NextRange(Document):
    """The range of a number to try in the next study."""

    low: int | float
    high: int | float
    log: bool


#: The key is a Python keyword, which cannot be the name of a class's field.
_Tried = TypedDict("_Tried", {"try": NextRange | None})


class WidenedEdge(Edge, _Tried):
    """A parameter whose best values lie at an end, and which range to try next.

    `try` is null where only its owner knows what lies beyond.
    """


class Advice(Document):
    """What to know or to do, in words."""

    kind: AdviceKind
    text: str
    #: The parameter concerned; missing if there is none.
    parameter: NotRequired[str]


class Improvement(Document):
    """Whether more trials are likely to pay; values are in the metric's unit, null: not known."""

    #: Why nothing can be said; otherwise empty.
    why: str
    #: Number of future trials considered.
    next_trials: int | None
    #: Probability that one of them is better than the best by more than a trifle.
    chance: float | None
    #: The best value after them, and the range of the middle 80 %.
    expected: float | None
    low: float | None
    high: float | None
    #: With a probability of 90 %, the best possible value is better by less than this.
    regret: float | None


class HistorySay(Document):
    """How much say history had in a proposal."""

    trial: int
    #: From 0 to 1.
    share: float
    #: Trust in the history's model compared with the study's own, from 0 to 1; null: only one was
    #: used.
    trust: float | None
    #: Whether the history chose the trial.
    proposed_by_history: bool


class InsightsDocument(Document):
    """What the trials of a study say. The file holds the time as well, as `updated`."""

    #: Version of the file format.
    version: int
    study: str
    #: Number of trials examined.
    trials: int
    importance: ImportanceByMethod
    edges: list[WidenedEdge]
    #: Most important first.
    advice: list[Advice]
    #: Null before enough trials have a result.
    improvement: Improvement | None
    #: One entry per trial in number order; empty: the history never had a say.
    history: list[HistorySay]
