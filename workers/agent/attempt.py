"""One attempt as supervised by its worker: from the claim to the accepted finish."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any, Literal

from tuner.errors import FencedError, UnavailableError
from tuner.protocol import Assignment, Cause, Finish, Finished, Reply
from tuner.roots import Place, UnfitError
from workers.agent.api import MissingCodeError, RefusedError
from workers.agent.code_cache import CodeError, FetchError
from workers.agent.context import WorkerContext
from workers.agent.finish_sender import FinishSender
from workers.failures.causes import explain_exit, read_tail, with_own_names, with_tail
from workers.host.devices import DeviceError, check_gpus
from workers.host.orphans import end_left_behind
from workers.objective.session import Word
from workers.objective.task import Task
from workers.records.files import AttemptFiles, probe
from workers.trial.channel import ChannelError
from workers.trial.heard import HeardEnd, HeardFound, hear
from workers.trial.trial_process import TrialProcess, start_process

logger = logging.getLogger(__name__)

#: Seconds from the request to stop until the process is killed.
GRACE_S = 10.0
#: Seconds before killing an unresponsive trial at which it is made to print its stack.
SHOW_STACK_S = 0.5
#: Seconds for a process to exit after it has sent its result.
EXIT_S = 5.0
_WAIT_S = 1.0

_STOPPED = {
    "cancelled": "cancelled",
    "timeout": "over the time limit",
    "preempted": "the worker was asked to leave",
}
#: Why a trial is asked to end; "error": the server rejects what it reports.
StopCause = Literal["cancelled", "timeout", "preempted", "error"]


class RunningAttempt:
    """Executes one assignment. Mutable: it goes through its life once."""

    def __init__(self, post: WorkerContext, assignment: Assignment, token: str) -> None:
        self._post = post
        self._assignment = assignment
        self._token = token
        self._files = AttemptFiles(post.log_root, assignment)
        self._contact = FinishSender(post, assignment, token)
        self._outbox = self._contact.outbox
        self._started = time.monotonic()
        self._end: HeardEnd | None = None
        self._refusal = ""
        #: Why it failed; None: it has not.
        self.cause: Cause | None = None
        self._code_root: str | None = None
        self._word: Word = "continue"
        self._step = 0
        self._told: tuple[Word, int] = ("continue", 0)
        self._stop: StopCause | None = None
        self._kill_at = math.inf
        self._show_at = math.inf

    def run(self) -> Finished | None:
        """Run the attempt; None if it was fenced, or its result could not be delivered."""
        try:
            finish = self._prepare_and_conduct()
            self.cause = finish.cause
            finished = self._contact.hand_over(finish)
            if finished is not None:
                facts = {"outcome": finish.outcome, "cause": finish.cause}
                logger.info("trial ended", extra={**self._facts(), **facts})
                self._files.finish(finished)
            return finished
        except FencedError as exc:
            logger.warning("attempt fenced", extra={**self._facts(), "reason": str(exc)})
            return None
        except RefusedError as exc:
            logger.error("attempt given up", extra={**self._facts(), "reason": str(exc)})
            return None
        finally:
            self._files.close()

    def _prepare_and_conduct(self) -> Finish:
        try:
            task = self._prepare()
        except UnfitError as exc:
            # Put there by a trial: the rest of the root may be fine.
            reason = f"the trial was not started: {exc.filename}: {exc.strerror}"
            return self._failed("error", reason)
        except OSError as exc:
            return self._failed("storage", f"the trial was not started: {exc}")
        except (CodeError, MissingCodeError) as exc:
            # No other worker could do better: it is the study's own fault.
            return self._failed("error", str(exc))
        except FetchError as exc:
            return self._failed("rejected", str(exc))
        except DeviceError as exc:
            self._post.device_error = str(exc)
            return self._failed("rejected", str(exc))
        if task is None:
            return self._failed("preempted", "the worker was asked to leave before the start")
        self._code_root = task.code_root
        may_fork = self._post.may_fork(None if task.command else task.choice)
        process = start_process(task, self._post.forks if may_fork else None)
        self._post.on_trial(process.pid)
        facts = {**self._facts(), "pid": process.pid, "fork": process.is_fork}
        logger.info("trial started", extra=facts)
        try:
            self._watch(process)
        finally:
            process.close()
            self._end_left_behind(process.pid)
            self._post.on_trial(None)
        return self._describe_end(process)

    def _end_left_behind(self, trial: int) -> None:
        forks = self._post.forks.pid
        own = () if forks is None else (forks,)
        said = end_left_behind(trial, self._post.info.device_ids, own=own)
        if said:
            logger.warning("processes left behind", extra={**self._facts(), "reason": said})
            self._files.note(said)

    def _prepare(self) -> Task | None:
        """Write the first files and fetch the code; None if the worker must leave meanwhile.

        Raises:
            UnfitError: something else is in the place of the run's folder.
            OSError: the log root or the checkpoint root is full or not writable.
            CodeError, MissingCodeError: there is no such code, or it must not be run.
            FetchError: it cannot be obtained here.
            DeviceError: a GPU does not respond.
        """
        post = self._post
        check_gpus(post.info.device_ids, self._assignment.devices)
        # If only the first checkpoint noticed a full disk, the training so far would be lost.
        Place(post.checkpoint_root).open(make=True).close()
        probe(post.checkpoint_root)
        code_root = self._fetch_code()
        if post.leave.requested:
            return None
        backend = post.backends.choose(self._assignment, code_root)
        self._files.open(post.environment.config(self._assignment, backend), time.time())
        return Task.of(
            self._assignment,
            code_root=code_root,
            log_root=post.log_root,
            checkpoint_root=post.checkpoint_root,
            preimport=post.forks.imported.backend is not None,
            backend=backend,
            # All of them, unless the server is of an earlier release, which knows of only one.
            devices=post.info.device_ids[: self._assignment.devices or None],
        )

    def _fetch_code(self) -> Path | None:
        if self._assignment.code is None:
            return None
        while not self._post.leave.requested:
            try:
                return self._post.code.folder(self._assignment.code)
            except UnavailableError:
                if not self._contact.retry():
                    return None
            except OSError as exc:
                # Not the log root: another host may have room for it.
                raise FetchError(f"code snapshot cannot be kept on this host: {exc}") from exc
        return None

    def _watch(self, process: TrialProcess) -> None:
        """Serve the process until it has ended.

        Raises:
            FencedError: the server has given the attempt to another worker.
        """
        deadline = math.inf
        if self._assignment.timeout_s is not None:
            deadline = time.monotonic() + self._assignment.timeout_s
        while not process.has_ended():
            due = self._kill_at, self._show_at, self._contact.beat_at, self._outbox.due_at()
            wake_at = min(deadline, *due)
            process.wait(min(_WAIT_S, wake_at - time.monotonic()), self._post.leave.fileno())
            self._take(process)
            if time.monotonic() >= deadline:
                deadline = math.inf
                self._request_stop("timeout")
            self._mind_leave(process)
            if reply := self._contact.beat_if_due():
                self._heed(reply)
                if self._assignment.code is not None:
                    self._post.code.keep(self._assignment.code)
            self._tell_news(process)
            self._kill_if_due(process)
            self._files.rotate_output()
        self._take(process)

    def _kill_if_due(self, process: TrialProcess) -> None:
        now = time.monotonic()
        if now >= self._show_at:
            self._show_at = math.inf
            process.show_stack()
        if now >= self._kill_at:
            process.kill()

    def _take(self, process: TrialProcess) -> None:
        """Process what the process has sent, and post what is due."""
        try:
            for message in process.messages():
                self._take_message(message)
        except ChannelError as exc:
            logger.warning("the trial's process wrote into its channel", extra={"reason": str(exc)})
            process.kill()
        # Points that arrive with the end are sent with the finish.
        if self._end is None and self._outbox.due_at() <= time.monotonic():
            self._post_points()

    def _take_message(self, message: dict[str, Any]) -> None:
        """Process one message.

        Raises:
            ChannelError: it is not one of ours.
        """
        heard = hear(message)
        if isinstance(heard, HeardEnd):
            self._end = heard
            self._kill_at = min(self._kill_at, time.monotonic() + EXIT_S)
        elif self._refusal:
            return
        elif isinstance(heard, HeardFound):
            self._outbox.add_found(heard.found)
            self._files.add_found(heard.found)
        else:
            self._step = heard.step
            self._outbox.add(heard.point())
            self._files.add_point(heard.step, heard.value, heard.metrics, heard.time)

    def _post_points(self) -> None:
        try:
            reply = self._outbox.post(time.monotonic())
        except RefusedError as exc:
            self._refusal = f"the server refused what this trial reported: {exc}"
            logger.error("report refused", extra={**self._facts(), "reason": str(exc)})
            self._request_stop("error")
        else:
            if reply is not None:
                self._heed(reply)

    def _tell_news(self, process: TrialProcess) -> None:
        """Answer the newest report, and pass on a changed order."""
        news = self._word, self._step
        if news != self._told:
            self._told = news
            process.tell(*news)

    def _heed(self, reply: Reply) -> None:
        self._post.apply_reply(reply)
        if reply.order == "cancel":
            self._request_stop("cancelled")
        elif reply.order == "prune" and self._word == "continue":
            self._word = "prune"

    def _mind_leave(self, process: TrialProcess) -> None:
        leave = self._post.leave
        leave.clear()
        if leave.requested:
            self._request_stop("preempted")
        if leave.forced:
            process.kill()

    def _request_stop(self, cause: StopCause) -> None:
        """Ask the trial to end; it is killed if it has not ended after `GRACE_S`."""
        if self._stop is not None or self._end is not None:
            return
        self._stop = cause
        self._word = "preempt" if cause == "preempted" else "cancel"
        self._kill_at = time.monotonic() + GRACE_S
        if cause == "timeout":
            self._show_at = self._kill_at - SHOW_STACK_S
        logger.info("trial asked to end", extra={**self._facts(), "cause": cause})

    def _describe_end(self, process: TrialProcess) -> Finish:
        """Return the finish that corresponds to this end."""
        end = self._end and self._end.counted(is_leaving=self._post.leave.requested)
        if end is not None and self._stop not in ("cancelled", "timeout", "error"):
            return end.finish(
                self._token,
                error=end.error or _STOPPED.get(end.cause or "", ""),
                duration_s=self._duration_s(),
                exit_status=process.status,
            )
        place = self._files.place
        if self._stop is not None:
            text = self._stop_text()
            if process.was_asked_where:
                text = with_tail(text, self._with_own_names(read_tail(place)))
            return self._failed(self._stop, text, process.status)
        if process.was_killed:
            text = "the trial's process broke off its channel and was killed"
            return self._failed("error", text, process.status)
        of_memory = process.died_of_memory()
        cause, text = explain_exit(process.status or 0, place, of_memory=of_memory)
        return self._failed(cause, self._with_own_names(text), process.status)

    def _with_own_names(self, text: str) -> str:
        return with_own_names(text, self._code_root)

    def _stop_text(self) -> str:
        if self._stop == "error":
            return self._refusal
        limit = f" ({self._assignment.timeout_s:g} s)" if self._stop == "timeout" else ""
        return _STOPPED[self._stop or "cancelled"] + limit

    def _failed(self, cause: Cause, error: str, status: int | None = None) -> Finish:
        return Finish(
            token=self._token,
            outcome="failed",
            cause=cause,
            error=error,
            duration_s=self._duration_s(),
            exit_status=status,
        )

    def _duration_s(self) -> float:
        return round(time.monotonic() - self._started, 3)

    def _facts(self) -> dict[str, Any]:
        a = self._assignment
        return {"study": a.study, "trial": a.trial, "attempt": a.attempt}
