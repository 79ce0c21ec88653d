"""Which studies in history a spec selects, and by which item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from posixpath import normpath

from tuner.history.store.records import StudySummary
from tuner.spec.history import History, HistoryItem, is_url


@dataclass(frozen=True, kw_only=True)
class ChosenStudy:
    """A study, and the item of the spec that selects it; None: none does."""

    summary: StudySummary
    item: HistoryItem | None
    #: The place below the item's path where its runs are, if they are stored with another place.
    found_at: str = ""

    @property
    def is_listed(self) -> bool:
        """Whether the spec names it, directly or by its path."""
        return self.item is not None and not self.item.auto


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a spec selects.

    Attributes:
        choices: one for each study in history, in its order.
        unknown: items that match nothing.
    """

    choices: tuple[ChosenStudy, ...]
    unknown: tuple[HistoryItem, ...]


def select(summaries: Iterable[StudySummary], history: History) -> Selection:
    """Return the item for each study: its own, else the closest path, else auto."""
    auto = next((item for item in history if item.auto), None)
    paths = [item for item in history if item.path is not None]
    # Longest first: a path inside another one is more specific.
    paths.sort(key=lambda item: -len(item.place))
    studies = {item.study: item for item in history if item.study is not None}
    choices = [_choose(summary, studies.get(summary.key), paths, auto) for summary in summaries]
    met = {choice.item.place for choice in choices if choice.item is not None}
    unknown = tuple(item for item in history if not item.auto and item.place not in met)
    return Selection(choices=tuple(choices), unknown=unknown)


def is_under(locator: str, place: str) -> bool:
    """Whether what was imported as `locator` is, or is in, the file, folder or database `place`."""
    # The studies of a database file are stored under its URL.
    return any(_begins(locator, root) for root in (place, f"sqlite:///{place}"))


def _begins(locator: str, place: str) -> bool:
    whole, root = (text if is_url(text) else normpath(text) for text in (locator, place))
    root = root.rstrip("/")
    return whole.startswith(root) and whole[len(root) : len(root) + 1] in ("", "/", "#")


def _choose(
    summary: StudySummary,
    named: HistoryItem | None,
    paths: Sequence[HistoryItem],
    auto: HistoryItem | None,
) -> ChosenStudy:
    if named is not None:
        return ChosenStudy(summary=summary, item=named)
    for item in paths:
        if not summary.is_own and is_under(summary.locator, item.place):
            return ChosenStudy(summary=summary, item=item)
    for item in paths:
        for place in summary.also_at:
            if is_under(place, item.place):
                return ChosenStudy(summary=summary, item=item, found_at=place)
    return ChosenStudy(summary=summary, item=auto)
