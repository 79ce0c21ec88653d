"""Computes the insights of studies in the background, one study at a time.

A computation that takes seconds of Python would delay every answer of the server, even in another
thread, so it runs in a process of its own, with low priority and limits. A study with few results
needs none. A study is analysed again once it has a tenth more results, and at its end. While it
runs this can wait: people see the result when its files are written again, after a minute.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field, replace

from tuner.documents.study_folder.insights import InsightsDocument
from tuner.service.insights.early import early_document
from tuner.service.insights.form import empty
from tuner.service.insights.process import InsightsProcess
from tuner.service.insights.sample import LEAST
from tuner.service.roots.care import DATABASE_AWAY
from tuner.storage import Storage

logger = logging.getLogger(__name__)

#: A study is analysed again after this number of new results, or this share of those it had.
_FEWEST_NEW, _SHARE_NEW = 5, 0.1
#: While a study runs, it rests for this many times as long as its last analysis took: with short
#: trials the analysis would otherwise never stop.
_RESTS = 10.0
#: While a study runs, seconds from a request to its analysis: half the time until its files are
#: written again. If the study ends meanwhile, only the last analysis is left to do.
WAIT_S = 30.0
#: Seconds without an analysis after which the process ends. Studies ask once a minute.
_KEEP_S = 90.0
#: Maximum seconds to wait for the thread at the end.
_STOP_S = 0.5
#: While the database is away: seconds between tries, and the maximum number of tries.
_OUTAGE_WAIT_S, _OUTAGE_TRIES = 2.0, 150

FAILED = "could not be computed; the log of the server says why"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A study whose insights are wanted."""

    study_id: int
    name: str
    #: Number of its results.
    told: int
    #: Whether it has ended, so that nothing more is to come.
    is_over: bool
    #: Since when they are wanted (`time.monotonic`).
    since: float = field(default_factory=time.monotonic)


@dataclass(kw_only=True)
class _Known:
    told: int
    document: InsightsDocument | None = None
    #: Until then (`time.monotonic`) it is not analysed again, unless it ends.
    rests_until: float = 0.0


@dataclass(kw_only=True)
class _State:
    wishes: dict[int, Wish] = field(default_factory=dict)
    known: dict[int, _Known] = field(default_factory=dict)
    #: Studies whose newest document was not taken yet.
    fresh: set[int] = field(default_factory=set)
    process: InsightsProcess | None = None
    is_stopping: bool = False


class Insights:
    """The insights of studies, as far as they are known. Thread-safe.

    Args:
        storage: the database, which the process reads by itself; None: nothing is computed.
        wait_s: seconds from the request of a study that runs to its analysis.
    """

    def __init__(self, storage: Storage | None, *, wait_s: float = WAIT_S) -> None:
        self._storage = storage
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._state = _State()
        self._thread: threading.Thread | None = None

    def want(self, wish: Wish) -> None:
        """Request the insights of a study, unless the known ones are recent enough."""
        if self._storage is None:
            return
        with self._changed:
            known = self._state.known.get(wish.study_id)
            if known is not None and not _is_worth_it(wish, known.told):
                return
            earlier = self._state.wishes.get(wish.study_id, wish)
            self._state.wishes[wish.study_id] = replace(wish, since=earlier.since)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="insights", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def of(self, study_id: int) -> InsightsDocument | None:
        """Return the known insights of a study, or None."""
        with self._changed:
            known = self._state.known.get(study_id)
            return None if known is None else known.document

    def fresh(self) -> frozenset[int]:
        """Return the studies with new insights; see `taken`."""
        with self._changed:
            return frozenset(self._state.fresh)

    def taken(self, study_id: int, document: InsightsDocument | None, *, is_over: bool) -> None:
        """Record that a document was filed; a newer one stays fresh.

        Args:
            is_over: whether the study has ended, so that its document is not kept.
        """
        with self._changed:
            known = self._state.known.get(study_id)
            if known is not None and known.document is document:
                self._state.fresh.discard(study_id)
                if is_over:
                    known.document = None

    def wanted(self) -> frozenset[int]:
        """Return the studies that are still to be analysed."""
        with self._changed:
            return frozenset(self._state.wishes)

    def wait_for_ended(self, timeout_s: float) -> None:
        """Wait until all ended studies are analysed, or the timeout."""

        def is_done() -> bool:
            return not any(wish.is_over for wish in self._state.wishes.values())

        with self._changed:
            self._changed.wait_for(is_done, timeout=timeout_s)

    def forget(self) -> None:
        """Drop all requests and results."""
        with self._changed:
            self._state.wishes.clear()
            self._state.known.clear()
            self._state.fresh.clear()

    def stop(self) -> None:
        """End the running computation; nothing is computed afterwards."""
        with self._changed:
            self._state.is_stopping = True
            self._state.wishes.clear()
            process = self._state.process
            self._changed.notify_all()
        if process is not None:
            process.kill()
        if self._thread is not None:
            self._thread.join(timeout=_STOP_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                wish = self._next()
            if wish is None:
                break
            started = time.monotonic()
            document = self._persist(wish)
            ended = time.monotonic()
            with self._changed:
                if self._state.wishes.get(wish.study_id) is wish:
                    del self._state.wishes[wish.study_id]
                    rests_until = ended + _RESTS * (ended - started)
                    self._state.known[wish.study_id] = _Known(
                        told=wish.told, document=document, rests_until=rests_until
                    )
                    self._state.fresh.add(wish.study_id)
                self._changed.notify_all()
        self._end_process()

    def _next(self) -> Wish | None:
        """Wait for a study that is due and return it; None: nothing more is to be computed.

        Ended studies come first: people who wait for them will see no more trials.
        """
        while not self._state.is_stopping:
            wishes = sorted(self._state.wishes.values(), key=lambda w: (not w.is_over, w.study_id))
            wish = min(wishes, key=self._due, default=None)
            left_s = None if wish is None else self._due(wish) - time.monotonic()
            if left_s is not None and left_s <= 0:
                return wish
            wait_s = _KEEP_S if left_s is None else min(left_s, _KEEP_S)
            if not self._changed.wait(wait_s) and wait_s == _KEEP_S:
                self._end_process()
        return None

    def _due(self, wish: Wish) -> float:
        if wish.is_over or wish.told < LEAST:
            return 0.0
        known = self._state.known.get(wish.study_id)
        rests_until = 0.0 if known is None else known.rests_until
        return max(wish.since + self._wait_s, rests_until)

    def _persist(self, wish: Wish) -> InsightsDocument | None:
        """Return the document of a study; wait for the end of a database outage."""
        for _ in range(_OUTAGE_TRIES):
            try:
                return self._try(wish)
            except DATABASE_AWAY:
                with self._changed:
                    if self._changed.wait_for(lambda: self._state.is_stopping, _OUTAGE_WAIT_S):
                        break
        return empty(wish.name, FAILED)

    def _try(self, wish: Wish) -> InsightsDocument | None:
        """Return the document of a study, even of one with damaged rows.

        Raises:
            Exception: one of `DATABASE_AWAY`.
        """
        started = time.monotonic()
        try:
            document = self._compute(wish)
        except DATABASE_AWAY:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever the rows of a study hold
            if not self._state.is_stopping:
                facts = {"study": wish.name, "error": str(exc)}
                logger.warning("insights failed", extra=facts)
            return empty(wish.name, FAILED)
        took_s = round(time.monotonic() - started, 1)
        logger.debug("insights computed", extra={"study": wish.name, "took_s": took_s})
        return document

    def _compute(self, wish: Wish) -> InsightsDocument | None:
        """Return the document of a study; None: it was deleted.

        Raises:
            Exception: its rows are damaged, or the process failed.
        """
        storage = self._storage
        if storage is None:
            return None
        if wish.told < LEAST:
            return early_document(storage, wish.study_id)
        process = self._running()
        try:
            return process.compute(storage.url, wish.study_id)
        except BaseException:
            self._end_process()
            raise

    def _running(self) -> InsightsProcess:
        """Return the process, another one if it has ended."""
        process = self._state.process
        if process is not None and process.is_running:
            return process
        self._end_process()
        process = InsightsProcess()
        with self._changed:
            self._state.process = process
            if self._state.is_stopping:
                process.kill()
        return process

    def _end_process(self) -> None:
        with self._changed:
            process, self._state.process = self._state.process, None
        if process is not None:
            process.end()


def _is_worth_it(wish: Wish, told: int) -> bool:
    if wish.is_over:
        return wish.told != told
    return wish.told - told >= max(_FEWEST_NEW, _SHARE_NEW * told)
