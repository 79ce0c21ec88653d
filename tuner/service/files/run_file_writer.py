"""Ensures that every ended trial has its files, as soon as the log root can be written.

Workers write the folders of their attempts. What a killed worker could not write, or a full disk
prevented, is written here from the database; so is each study's own run.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuner.service.files.runs import RunFiler
from tuner.service.files.studies import StudyFiler
from tuner.service.insights.computing import Insights
from tuner.service.roots import unfiled
from tuner.service.roots.care import DATABASE_AWAY, Care, RootLostError
from tuner.service.roots.hands import Hands, StuckError
from tuner.service.roots.probing import Roots
from tuner.service.roots.unfiled import Subject
from tuner.storage import Storage

logger = logging.getLogger(__name__)

TICK_S = 1.0
#: Seconds that a worker gets to write the files of an attempt that it has just finished.
GRACE_S = 3.0
#: Maximum number of hanging calls to a file system before nothing more is tried, and the seconds
#: after which a call counts as hanging.
HANDS, PATIENCE_S = 3, 5.0
#: Seconds without a complete round after which filing has failed.
ROUND_WITHIN_S = 8.0
#: Maximum seconds to wait, when a server ends, for insights into studies that have just ended.
INSIGHTS_WITHIN_S = 8.0
#: Maximum seconds for the last round; the end of the thread may take a little longer.
_STOP_S = 15.0


@dataclass(frozen=True, kw_only=True)
class FilingTrouble:
    """Why files are not written at present.

    Attributes:
        text: for everybody: contains no name and no path.
        what: what is blocking, or the error.
        seconds: since when.
    """

    text: str
    what: str
    seconds: float


class RunFileWriter:
    """A thread that completes the log root, and monitors whether it can be written.

    Args:
        log_root, checkpoint_root: shared with the workers and with other servers.
        leads: whether this process coordinates: of several servers, only that one files.
        insights: insights into the studies, written with them; None: there are none.
    """

    def __init__(
        self,
        storage: Storage,
        log_root: Path,
        checkpoint_root: Path,
        leads: Callable[[], bool] = lambda: True,
        insights: Insights | None = None,
    ) -> None:
        self._leads = leads
        self._storage = storage
        self._hands = Hands("filer-hand", HANDS, PATIENCE_S)
        self._roots = Roots(log_root, checkpoint_root, self._hands)
        care = Care(storage, self._roots, self._hands)
        self._runs = RunFiler(storage, log_root, care)
        self._insights = Insights(None) if insights is None else insights
        self._studies = StudyFiler(storage, log_root, checkpoint_root, care, self._insights)
        self._led = False
        self._last_round = time.monotonic()
        self._error = ""
        #: Roots that are recorded as not answering.
        self._silent: set[Subject] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="filer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._roots.look()
        self._thread.start()

    def stop(self) -> None:
        """Update the log root a last time and end the thread, within `_STOP_S`."""
        self._stop.set()
        self._thread.join(timeout=_STOP_S)
        if not self._thread.is_alive():
            self._studies.drop_writers()

    def problem(self) -> str | None:
        """Return why the log root or the checkpoint root cannot be written at present, or None."""
        return self._roots.problem

    def trouble(self) -> FilingTrouble | None:
        """Return what filing is blocked by or why it fails, or None. Thread-safe."""
        waiting = self._hands.waiting()
        if waiting:
            return FilingTrouble(
                text=f"a file system has not answered for {waiting[0].seconds:.0f} s; "
                "`tuner status` says where",
                what=waiting[0].what,
                seconds=waiting[0].seconds,
            )
        passed = time.monotonic() - self._last_round
        if passed > ROUND_WITHIN_S and self._thread.is_alive():
            text = f"no files of trials have been written for {passed:.0f} s; the log says why"
            return FilingTrouble(text=text, what=self._error or "the database", seconds=passed)
        return None

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            self._round(GRACE_S)
        self._round(0.0, last=True)
        if self._studies.await_insights(INSIGHTS_WITHIN_S):
            self._round(0.0, last=True)
        self._insights.stop()

    def _round(self, grace_s: float, *, last: bool = False) -> None:
        try:
            self._do_round(grace_s, last=last)
        except RootLostError:
            self._complete()  # said by `problem`
        except StuckError as exc:
            # Reported by `trouble`: some calls hang, and more would hang with them.
            self._complain(str(exc), is_expected=True)
        except DATABASE_AWAY as exc:
            self._complain(f"the database is away: {type(exc).__name__}", is_expected=True)
        except Exception as exc:  # noqa: BLE001 - the thread must outlive its own faults
            self._complain(f"{type(exc).__name__}: {exc}", is_expected=False)
        else:
            self._complete()

    def _do_round(self, grace_s: float, *, last: bool) -> None:
        is_writable = self._roots.look()
        if not self._leads():
            self._studies.drop_writers()
            self._led = False
            return
        if not self._led:
            with self._storage.begin() as connection:
                unfiled.forget_waiting(connection)
            self._led = True
        self._note_silence()
        self._take_late()
        if is_writable:
            self._runs.file(grace_s)
            self._studies.file(last=last)

    def _take_late(self) -> None:
        """Process calls that returned after their callers had given up."""
        for late in self._hands.late():
            subject = late.key
            if isinstance(subject, Subject) and subject.kind != "root":
                owner = self._runs if subject.kind == "run" else self._studies
                owner.take_late(late, subject)

    def _note_silence(self) -> None:
        """Record in the database which root does not answer, for processes that read only that."""
        waiting = {w.key: w.what for w in self._hands.waiting() if isinstance(w.key, Subject)}
        silent = {subject for subject in waiting if subject.kind == "root"}
        if silent == self._silent:
            return
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            for subject in silent - self._silent:
                reason = f"{waiting[subject]}: the file system does not answer"
                unfiled.note(connection, subject, reason, now, waiting=True)
            for subject in self._silent - silent:
                unfiled.forgive(connection, subject)
        self._silent = silent

    def _complete(self) -> None:
        self._last_round = time.monotonic()
        self._error = ""

    def _complain(self, error: str, *, is_expected: bool) -> None:
        # The same words every second would hide other messages.
        if error != self._error:
            level = logging.INFO if is_expected else logging.ERROR
            logger.log(
                level, "filing waits", extra={"error": error[:500]}, exc_info=not is_expected
            )
        self._error = error
