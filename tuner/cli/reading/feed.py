"""What is new in a study since the last look: its status, the trials that ended, and notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.cli.reading.importance import order_of, read_importance
from tuner.cli.reading.polling import all_events

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.study import StudyStatus, TrialCounts
    from tuner.documents.trial import EventRow, TrialDetail
    from tuner.service.reading import Reader

#: Maximum number of trials shown between two looks; more are only counted.
_SHOWN = 25


#: Kinds of events that are shown in addition to the trials.
_NOTED = ("attempt-", "worker-", "history", "pruner-", "space-")
#: An exception among these: the event that says why a trial is about to be stopped.
_NO_END = "trial-stopped"
#: Prefix of notes on history, which are not trouble.
HISTORY_NOTE = "history: "
#: Prefix of a pruner's decisions for the whole study; its warnings have no prefix.
PRUNER_NOTE = "pruning: "
#: Prefix of what a trial found in its hypermodel.
SPACE_NOTE = "search space: "

#: Importance is requested again when the number of results has grown by this share.
_GROWTH = 0.2

CLOSED = ("finished", "failed", "cancelled")


def is_over(status: StudyStatus) -> bool:
    """Whether nothing more happens without a user: it ended, or was paused because all trials fail.

    A study that a user has paused does not count: the user will resume it.
    """
    stuck = status["state"] == "paused" and status["reason"] != "by the user"
    return bool(status["state"] in CLOSED or stuck)


@dataclass(frozen=True, kw_only=True)
class News:
    """One look at a study."""

    status: StudyStatus
    #: Trials that ended since the last look, in the order in which they ended.
    ended: tuple[TrialDetail, ...] = ()
    #: Number of further trials that ended, too many to show each.
    not_shown: int = 0
    #: Other news: notes on history, trials that run again, workers that go out of service.
    notes: tuple[str, ...] = ()
    #: Names of the tuned parameters, most important first; empty: unknown.
    order: tuple[str, ...] = ()


class Feed:
    """Follows a study from its current state on."""

    def __init__(self, api: Reader | ApiClient, study: str, *, from_start: bool = False) -> None:
        self.api = api
        self.study = study
        self._seen = 0
        self._order: tuple[str, ...] = ()
        #: Number of results from which on importance is requested again.
        self._ask_at = 0.0
        if not from_start:
            events = all_events(api, study)
            self._seen = events[-1]["id"] if events else 0

    def look(self) -> News:
        """Return what happened since the last look.

        Raises:
            UnavailableError: the service does not answer; nothing is lost for the next look.
        """
        # The status first: what it counts as ended is then among the events.
        status = self.api.status(self.study)
        events = all_events(self.api, self.study, self._seen)
        ends = [row for row in events if row["kind"].startswith("trial-")]
        numbers = [
            row["trial"] for row in ends if row["trial"] is not None and row["kind"] != _NO_END
        ]
        shown = numbers[-_SHOWN:]
        ended = tuple(self.api.show(self.study, number) for number in shown)
        notes = tuple(_note(row) for row in events if row["kind"].startswith(_NOTED))
        if events:
            self._seen = events[-1]["id"]
        return News(
            status=status,
            ended=ended,
            not_shown=len(numbers) - len(shown),
            notes=notes[-_SHOWN:],
            order=self._ordered(status["counts"]) if ended else self._order,
        )

    def _ordered(self, counts: TrialCounts) -> tuple[str, ...]:
        """Return the parameters in an order that rarely changes, because lines are compared."""
        results = counts["complete"] + counts["pruned"]
        if results >= self._ask_at:
            self._ask_at = results * (1.0 + _GROWTH)
            self._order = order_of(read_importance(self.api, self.study))
        return self._order


def _note(event: EventRow) -> str:
    kind = str(event["kind"])
    head = HISTORY_NOTE if kind.startswith("history") else ""
    head = PRUNER_NOTE if kind == "pruner-rung" else head
    head = SPACE_NOTE if kind == "space-found" else head
    return head + str(event["text"])
