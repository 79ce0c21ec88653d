"""The study of a script: creates or joins it, and claims its trials."""

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

#: Maximum seconds that a claim waits for a trial.
CLAIM_WAIT_S = 2.0
#: Seconds between checks, while waiting for a trial, of whether a user has drained this process.
DRAIN_LOOK_S = 10.0
#: States of a study in which there will be no more trials.
_OVER = ("finished", "failed", "cancelled", "stopping")
_PAUSED_BY_USER = "by the user"


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A trial that was assigned to this process."""

    held: Held
    files: RunFiles


class ServiceStudy:
    """The communication between this process and the service about one study.

    Args:
        name: `project/study`.
        service: where the study is.
    """

    def __init__(self, name: str, service: ServiceLink) -> None:
        self.name = name
        self.service = service
        #: Shows the user a message; an oracle has its own way.
        self.say: Callable[[str], None] = logger.warning
        #: Unanswered claims, by who asks: they must be repeated unchanged.
        self._claims: dict[str, str] = {}
        self._askers: dict[str, WorkerInfo] = {}
        #: The interval of beats, once the service has told it.
        self._beat_s: float | None = None
        #: When to ask next whether this process should leave, in monotonic time.
        self._ask_at = 0.0
        # A different one for each study: one process may run several searches at the same time.
        host = _word(socket.gethostname())[:30]
        self._prefix = f"keras-{host}-{os.getpid()}-{secrets.token_hex(2)}"

    def submit(self, spec: Mapping[str, Any]) -> StudyStatus:
        """Create the study, or continue it; return its status.

        Raises:
            StudyError: it exists and differs in something that may not change.
        """
        api = self.service.api()
        try:
            answer = api.submit(dict(spec))
        except ChangedError as exc:
            raise StudyError(_refused(exc)) from exc
        if answer["state"] == "paused":
            # As when `tuner run` is repeated.
            api.resume(self.name)
        return api.status(self.name)

    def claim(self, asker: str) -> Claimed | None:
        """Return the next trial, or None if there is none now. Waits up to `CLAIM_WAIT_S`.

        Args:
            asker: which of several tuners in this process will execute it.

        Raises:
            UnavailableError: the home's service was ended deliberately.
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
        """Return whether there will be no more trials, and say why there was none.

        Args:
            asker: the tuner that was given none.

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
        """Return whether a user has drained this process; asks the service now and then."""
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
        """Tell the service that this process claims nothing more: no proposals are made for it."""
        while self._askers:
            _, worker = self._askers.popitem()
            try:
                self.service.line().beat(Beat(worker=worker, state="stopping"))
            except TunerError as exc:
                logger.info("not said that it leaves", extra={"reason": str(exc)})

    def best(self, most: int) -> Sequence[Mapping[str, Any]]:
        """Return the best complete trials, as the service lists them; empty if it is away."""
        try:
            return self.service.api().best(self.name, most)
        except TunerError as exc:
            logger.info("trials of others are not known", extra={"reason": str(exc)})
            return []

    def remaining(self) -> int | None:
        """Return how many more trials the study may have; None: unlimited.

        Raises:
            TunerError: it is unknown.
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
