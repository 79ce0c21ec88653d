"""One `tuner run` from its first line to its last, whichever way it ends."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.markup import escape

from tuner.cli import headings
from tuner.cli.exit_codes import DONE, FAILED, INTERRUPTED
from tuner.cli.feed import CLOSED, Feed, is_over
from tuner.cli.going_on import file_notes, send, submit_command
from tuner.cli.output import Document, change_text, err, out
from tuner.cli.progress import StudyProgress
from tuner.cli.signals import interruptible
from tuner.cli.waiting import waiting
from tuner.errors import TunerError, UnavailableError
from tuner.local.access import find_api
from tuner.local.fleet import Fleet
from tuner.local.home import ServiceInfo, is_running, read_service, running_service
from tuner.local.process import kill_process, read_tail
from tuner.local.runs import Run, live_runs
from tuner.local.service import connect, end_service, join_service, restart_service
from tuner.local.submission import Submission
from tuner.protocol import Isolation
from tuner.settings import Settings

if TYPE_CHECKING:
    from tuner.client import ApiClient

_VERB = "tuner run"
LOOK_S = 0.4
#: Ctrl-C: workers leave within this, and everything has ended within `END_S`.
LEAVE_S = 12.0
END_S = 14.5
#: Said when no worker has shown up after so long.
_QUIET_S = 45.0


class RunSession:
    """Service, fleet and display of one `tuner run`. Holds what it started, to end just that.

    Args:
        settings: where.
        environ: the environment for service and workers.
        submission: what to run.
        workers: how many.
        isolation: how a trial's process is made.
        path: of the spec, for the commands that are said.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        submission: Submission,
        *,
        workers: int,
        isolation: Isolation,
        path: Path,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._submission = submission
        self._study = submission.spec.name
        self._workers = workers
        self._isolation: Isolation = isolation
        self._path = path
        self._registration = Run(settings)
        self._fleet = Fleet.of_run(settings)
        self._fleet_process: subprocess.Popen[bytes] | None = None
        self._service: ServiceInfo | None = None
        self._api: ApiClient | None = None

    def run(self) -> int:
        """Run the study to its end; return the exit code."""
        headings.print_places(out(), self._settings)
        with interruptible(self._kill):
            try:
                code = self._work()
            except KeyboardInterrupt:
                return self._end_interrupted()
            except TunerError:
                self._end(grace_s=END_S)
                raise
            with waiting("ending the workers and the service"):
                self._end(grace_s=END_S)
            return code

    def _work(self) -> int:
        self._connect()
        answer = self._submit()
        self._say_submitted(answer)
        if answer["state"] == "paused":
            self._client.resume(self._study)
        elif answer["state"] in CLOSED:
            return self._say_closed(self._client.status(self._study))
        feed = Feed(self._client, self._study)
        self._start_workers()
        status = self._follow(feed)
        if status["state"] in CLOSED:
            return self._say_end(status)
        return self._say_paused(status)

    def _submit(self) -> Document:
        """Submit; a user who is asked may choose another name for the study."""
        self._submission, answer = send(self._submission, self._client, _VERB, self._path)
        if self._submission.spec.name != self._study:
            self._study = self._submission.spec.name
            self._registration.rename(self._study)
        return answer

    @property
    def _command(self) -> str:
        """With which the user goes on after an interruption."""
        sent = self._submission
        return submit_command(_VERB, self._path, sent.name, sent.use_code)

    def _connect(self) -> None:
        if self._settings.api_url:
            self._api = find_api(self._settings)
            out().print(headings.served(self._settings.api_url), soft_wrap=True)
            return
        # Registered before it looks for a service: the last run of another study does not end it.
        self._registration.register(self._study)
        with waiting("starting the service"):
            self._service, started = join_service(self._settings, self._environ, persistent=False)
        self._api = connect(self._settings, self._service)
        out().print(headings.embedded(self._service, started=started), soft_wrap=True)

    @property
    def _client(self) -> ApiClient:
        if self._api is None:
            raise UnavailableError("the service was not reached")
        return self._api

    def _say_submitted(self, answer: Document) -> None:
        for change in answer["changes"]:
            out().print(f"[label]changed[/]      {escape(change_text(change))}")
        for label, text in file_notes(self._submission, answer):
            out().print(f"[label]{label:<12}[/] {escape(text)}", soft_wrap=True)
        if not answer["created"] and answer["state"] not in CLOSED:
            out().print(f"[label]goes on[/]      {self._study} where it stood")

    def _start_workers(self) -> None:
        url = self._settings.api_url or (self._service.url if self._service else "")
        self._fleet_process = self._fleet.start(
            self._workers,
            environ=self._environ,
            api_url=url,
            gpus="all" if self._submission.spec.trial.gpus else "none",
            isolation=self._isolation,
            bound=True,
            preimport=self._submission.names_tensorflow,
        )
        with waiting("starting the workers"):
            state = self._fleet.wait_started(self._fleet_process)
        out().print(headings.fleet(state, self._fleet.log), soft_wrap=True)
        out().print()

    def _follow(self, feed: Feed) -> Document:
        """Show progress until the study is over, or paused by what only its user can repair."""
        began = time.monotonic()
        quiet = True
        imports = self._submission.names_tensorflow
        first = "the workers import TensorFlow" if imports else "the workers start"
        with StudyProgress(out(), feed.api.status(self._study), first_waits_for=first) as progress:
            while True:
                try:
                    news = feed.look()
                except UnavailableError:
                    self._revive(progress)
                    time.sleep(LOOK_S)
                    continue
                progress.show(news)
                if is_over(news.status):
                    return news.status
                self._watch_workers()
                quiet = quiet and not news.status["workers"] and not news.ended
                if quiet and time.monotonic() - began > _QUIET_S:
                    progress.say(f"[warn]no trial has started yet; see {self._fleet.log}[/]")
                    quiet = False
                time.sleep(LOOK_S)

    def _revive(self, progress: StudyProgress) -> None:
        """Start a service again that crashed; one that was ended on purpose stays ended."""
        if self._service is None or is_running(self._service.pid):
            return
        if read_service(self._settings) is None:
            raise UnavailableError(
                f"the service was ended while the study ran; go on with: {self._command}"
            )
        progress.say("[warn]the service has died; it is started again[/]")
        self._service = restart_service(self._settings, self._environ, self._service)

    def _watch_workers(self) -> None:
        process = self._fleet_process
        if process is not None and process.poll() is not None:
            raise UnavailableError(
                f"the workers ended with status {process.returncode}; the end of "
                f"{self._fleet.log}:\n{read_tail(self._fleet.log)}"
            )

    def _say_closed(self, status: Document) -> int:
        """Answer a study that was over before: its table, and how to go on."""
        out().print()
        headings.print_best(out(), self._client, status)
        reason = f" ({status['reason']})" if status["reason"] else ""
        if status["state"] == "finished":
            out().print(f"{self._study}: finished{reason}; raise budget.trials to continue")
            return DONE
        out().print(f"[bad]{self._study}: {status['state']}[/]{escape(reason)}")
        return FAILED

    def _say_end(self, status: Document) -> int:
        out().print()
        headings.print_best(out(), self._client, status)
        style = "good" if status["state"] == "finished" else "bad"
        reason = f" ({escape(status['reason'])})" if status["reason"] else ""
        out().print(f"[{style}]{self._study}: {status['state']}[/]{reason}")
        out().print(f"TensorBoard: [name]tuner board {self._study}[/]")
        complete = status["counts"]["complete"]
        return DONE if status["state"] == "finished" and complete else FAILED

    def _say_paused(self, status: Document) -> int:
        failed = self._client.trials(self._study, "fail", 1)
        if failed:
            error = self._client.show(self._study, failed[0]["trial"])["error"]
            err().print(escape(error.strip()), style="quiet", soft_wrap=True)
        err().print(f"[bad]{self._study}: paused[/]: {escape(status['reason'])}", soft_wrap=True)
        if "tuner resume" not in status["reason"]:
            err().print(
                f"with mended code: tuner retry {self._study} --failed --spec SPEC; "
                f"go on all the same: tuner resume {self._study}",
                soft_wrap=True,
            )
        return FAILED

    def _end(self, *, grace_s: float) -> None:
        """End the own workers, and the service if nobody else needs it."""
        deadline = time.monotonic() + grace_s
        if self._fleet_process is not None:
            self._fleet_process.terminate()
            try:
                self._fleet_process.wait(timeout=grace_s - (END_S - LEAVE_S))
            except subprocess.TimeoutExpired:
                self._fleet_process.kill()
                self._fleet_process.wait()
            self._fleet.forget()
        if self._api is not None:
            self._api.close()
        with self._registration.leave() as last:
            info = running_service(self._settings)
            if last and info is not None and not info.persistent:
                end_service(self._settings, info, grace_s=max(1.0, deadline - time.monotonic()))

    def _end_interrupted(self) -> int:
        err().print(
            "\n[warn]interrupted[/]: the trials save their checkpoints (Ctrl-C again kills at once)"
        )
        others = [s for pid, s in live_runs(self._settings).items() if pid != os.getpid()]
        if self._api is not None and self._study not in others:
            # Best effort: the workers are about to leave, and with them all dispatch.
            with contextlib.suppress(TunerError):
                if self._api.status(self._study)["state"] == "running":
                    self._api.pause(self._study)
        self._end(grace_s=END_S - 1.0)
        err().print(f"go on with: {self._command}")
        return INTERRUPTED

    def _kill(self) -> NoReturn:
        if self._fleet_process is not None:
            self._fleet_process.kill()
        info = running_service(self._settings)
        others = set(live_runs(self._settings)) - {os.getpid()}
        if info is not None and not info.persistent and not others:
            kill_process(info.pid)
            self._settings.service_path.unlink(missing_ok=True)
        os._exit(INTERRUPTED)
