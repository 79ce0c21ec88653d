"""The study of a script: made or joined, and asked for its next trial."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.errors import NotFoundError, SetupError, StudyError, TunerError, UnavailableError
from tuner.keras.service.held import RETRY_S, Held
from tuner.keras.service.link import ServiceLink
from tuner.keras.service.run_files import RunFiles
from tuner.protocol import Beat, Claim, WorkerInfo
from tuner.refusal import ChangedError
from tuner.release import release

if TYPE_CHECKING:
    from tuner.documents.study import StudyStatus

logger = logging.getLogger(__name__)

#: A claim is answered as soon as there is a trial, at the latest after so long.
CLAIM_WAIT_S = 2.0
#: Who waits for a trial looks so often whether a user has drained it.
DRAIN_LOOK_S = 10.0
#: The states of a study in which no trial will come any more.
_OVER = ("finished", "failed", "cancelled", "stopping")
_PAUSED_BY_USER = "by the user"


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A trial that this process has been given."""

    held: Held
    files: RunFiles


class ServiceStudy:
    """What this process and the service say to each other about one study.

    Args:
        name: `project/study`.
        service: where it is.
    """

    def __init__(self, name: str, service: ServiceLink) -> None:
        self.name = name
        self.service = service
        #: Tells the user something; an oracle has its own way.
        self.say: Callable[[str], None] = logger.warning
        #: The claims that were not answered yet, by who asks: to be sent again as they were.
        self._claims: dict[str, str] = {}
        self._askers: dict[str, WorkerInfo] = {}
        #: How often the service wants to hear of a trial, once it has said so.
        self._beat_s: float | None = None
        #: When it is asked next whether this process is to leave (monotonic).
        self._ask_at = 0.0
        # Of its own for each study: one process may search in several at the same time.
        host = _word(socket.gethostname())[:30]
        self._prefix = f"keras-{host}-{os.getpid()}-{secrets.token_hex(2)}"

    def submit(self, spec: Mapping[str, Any]) -> StudyStatus:
        """Make the study, or go on with it; return its status.

        Raises:
            StudyError: it exists and differs in what may not change.
        """
        api = self.service.api()
        try:
            answer = api.submit(dict(spec))
        except ChangedError as exc:
            raise StudyError(_refused(exc)) from exc
        if answer["state"] == "paused":
            # As when `tuner run` is typed again.
            api.resume(self.name)
        return api.status(self.name)

    def claim(self, asker: str) -> Claimed | None:
        """Return the next trial; None: there is none now. Waits up to `CLAIM_WAIT_S`.

        Args:
            asker: who executes it, of several tuners in this process.

        Raises:
            UnavailableError: the home's service was ended on purpose.
            SetupError: the server is too old.
        """
        worker = self._worker(asker)
        token = self._claims.setdefault(asker, secrets.token_hex(16))
        claim = Claim(token=token, worker=worker, wait_s=CLAIM_WAIT_S, study=self.name)
        try:
            if self._beat_s is None:
                self._beat_s = self.service.line().beat_s()
            assignment = self.service.line().claim(claim)
        except UnavailableError as exc:
            self.say(f"the Tuner service does not answer: {exc}")
            time.sleep(RETRY_S)
            self.service.revive()
            return None
        del self._claims[asker]
        if assignment is None:
            return None
        if assignment.study != self.name:
            raise SetupError(
                f"{self.service.line().url}: gives out trials of other studies, as a server of an "
                f"earlier release does; update the server to {release()}"
            )
        return Claimed(
            held=Held(self.service, worker, assignment, token, self._beat_s),
            files=RunFiles(self.service.log_root, assignment, worker),
        )

    def is_over(self, asker: str) -> bool:
        """Return whether no trial will come any more, and say why none has come.

        Args:
            asker: who was given none.

        Raises:
            RuntimeError: the study was deleted, or was paused because its trials fail.
        """
        try:
            status = self.service.api().status(self.name)
        except NotFoundError as exc:
            raise RuntimeError(f"{self.name} was deleted while it ran") from exc
        except UnavailableError:
            return False
        state, reason = status["state"], status["reason"]
        if state in _OVER:
            more = "; a larger max_trials continues it" if state == "finished" else ""
            self.say(f"{self.name} is {state}{f': {reason}' if reason else ''}{more}")
            return True
        if state == "paused" and reason != _PAUSED_BY_USER:
            raise RuntimeError(
                f"{self.name} is paused: {reason}\nRun the script again to continue anyway."
            )
        if state == "paused":
            self.say(f"{self.name} is paused by a user; continue with: tuner resume {self.name}")
        elif status["workers"]:
            self.say(f"{self.name}: the last trials run in other processes; waiting for their end")
        return self._is_sent_away(asker)

    def _is_sent_away(self, asker: str) -> bool:
        """Return whether a user has drained this process; asked now and then."""
        worker = self._askers.get(asker)
        if worker is None or time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + DRAIN_LOOK_S
        try:
            reply = self.service.line().beat(Beat(worker=worker, state="stopping"))
        except TunerError as exc:
            logger.info("not known whether it is drained", extra={"reason": str(exc)})
            return False
        if reply.drain:
            self.say(f"{worker.name} takes no further trial: {reply.reason}")
        return reply.drain

    def leave(self) -> None:
        """Say that this process claims nothing more, so that nothing is proposed for it."""
        while self._askers:
            _, worker = self._askers.popitem()
            try:
                self.service.line().beat(Beat(worker=worker, state="stopping"))
            except TunerError as exc:
                logger.info("not said that it leaves", extra={"reason": str(exc)})

    def best(self, most: int) -> Sequence[Mapping[str, Any]]:
        """Return the best complete trials, as the service lists them; none where it is away."""
        try:
            return self.service.api().best(self.name, most)
        except TunerError as exc:
            logger.info("trials of others are not known", extra={"reason": str(exc)})
            return []

    def remaining(self) -> int | None:
        """Return how many trials the study may still have; None: that is not limited.

        Raises:
            TunerError: it is not known.
        """
        budget = self.service.api().status(self.name)["budget"]
        return None if budget["trials"] is None else max(0, budget["trials"] - budget["used"])

    def _worker(self, asker: str) -> WorkerInfo:
        if asker not in self._askers:
            self._askers[asker] = WorkerInfo(
                name=f"{self._prefix}-{_word(asker)[:20]}".rstrip("-"),
                host=socket.gethostname(),
                pid=os.getpid(),
                release=release(),
            )
        return self._askers[asker]


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)


def _refused(exc: ChangedError) -> str:
    refusal = exc.refusal
    project = refusal.study.partition("/")[0]
    other = f", as study='{project}/{refusal.sibling}'" if refusal.sibling else ""
    return "\n".join(
        [
            f"the study {refusal.study} exists and differs in what may not change:",
            *(f"  {text}" for text in refusal.texts),
            f"take that back, or give ServiceOracle another study{other}",
        ]
    )
