"""One `tuner run` from its first line to its last, whichever way it ends."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.markup import escape

from tuner.cli.exit_codes import INTERRUPTED, WRONG
from tuner.cli.following.going_on import file_notes, send
from tuner.cli.following.next_step import run_command, same_elsewhere
from tuner.cli.following.run_end import say_closed, say_end, say_paused
from tuner.cli.printing import say
from tuner.cli.reading.feed import CLOSED, Feed, is_over
from tuner.cli.render.output import change_text, err, out
from tuner.cli.render.study import headings
from tuner.cli.render.study.progress import StudyProgress
from tuner.cli.render.waiting import waiting
from tuner.cli.signals import interruptible
from tuner.errors import NotFoundError, TunerError, UnavailableError
from tuner.local.access import find_api
from tuner.local.commands import note_command
from tuner.local.fleets.fleet import Fleet
from tuner.local.home import ServiceInfo, is_running, read_service, running_service
from tuner.local.process import kill_process, read_tail
from tuner.local.runs import LiveRun, live_runs
from tuner.local.service import connect, end_service, join_service, restart_service
from tuner.local.submission import Submission
from tuner.protocol import Isolation
from tuner.runtime.system import end_child
from tuner.settings import Settings

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.study import StudyStatus
    from tuner.documents.submission import Submitted

_VERB = "tuner run"
LOOK_S = 0.4
#: Seconds after Ctrl-C within which workers leave; everything has ended within `END_S`.
LEAVE_S = 12.0
END_S = 14.5
#: Seconds without a worker before a message says so.
_QUIET_S = 45.0
#: Number of failed starts of the workers, without any trial ending in between, before giving up.
_FLEET_STARTS = 5


class RunSession:
    """Service, fleet and display of one `tuner run`. Tracks what it started, to end only that.

    Args:
        environ: the environment for service and workers.
        isolation: how a trial's process is created.
        path: the spec file, for the commands in messages.
        options: the options of the command, for the command that continues.
        remark: a note on the number of workers, empty for none.
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
        options: list[str],
        remark: str,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._submission = submission
        self._study = submission.spec.name
        self._workers = workers
        self._isolation: Isolation = isolation
        self._path = path
        self._options = options
        self._remark = remark
        #: Starts of the workers since the last trial ended.
        self._fleet_starts = 0
        self._registration = LiveRun(settings)
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
            except (TunerError, OSError):
                self._end(grace_s=END_S)
                raise
            with waiting("ending the workers and the service"):
                self._end(grace_s=END_S)
            return code

    def _work(self) -> int:
        self._connect()
        answer = self._submit()
        self._say_submitted(answer)
        note_command(self._settings, self._study, self._path, self._given)
        if answer["state"] == "paused":
            self._client.resume(self._study)
        elif answer["state"] in CLOSED:
            return say_closed(self._client, self._client.status(self._study))
        feed = Feed(self._client, self._study)
        self._start_workers()
        status = self._follow(feed)
        if status["state"] in CLOSED:
            return say_end(self._client, status)
        return say_paused(self._client, status, self._path, self._command)

    def _submit(self) -> Submitted:
        """Submit; a user at a terminal may choose another name for the study."""
        sent = self._submission, self._client, _VERB, self._path, self._options
        self._submission, answer = send(*sent, own_image=self._settings.image, starts=True)
        if self._submission.spec.name != self._study:
            self._study = self._submission.spec.name
            self._registration.rename(self._study)
        return answer

    @property
    def _command(self) -> str:
        """The command with which the user continues after an interruption."""
        return run_command(self._path, self._given)

    @property
    def _given(self) -> list[str]:
        """The options with which the user continues."""
        sent = self._submission
        named = ["--as", sent.name] if sent.name else []
        code = ["--code", "old"] if sent.use_code == "old" else []
        return [*named, *code, *self._options]

    def _connect(self) -> None:
        if self._settings.api_url:
            self._api = find_api(self._settings)
            out().print(headings.served(self._settings.api_url), soft_wrap=True)
            return
        # Registered before it looks for a service, so that the last run of another study does not
        # end it.
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

    def _say_submitted(self, answer: Submitted) -> None:
        for change in answer["changes"]:
            out().print(f"[label]changed[/]      {escape(change_text(change))}")
        for label, text in file_notes(self._submission, answer):
            out().print(f"[label]{label:<12}[/] {escape(text)}", soft_wrap=True)
        if not answer["created"] and answer["state"] not in CLOSED:
            out().print(f"[label]resumes[/]      {self._study} where it stopped")
        other = same_elsewhere(self._settings, self._study) if answer["created"] else None
        if other is not None:
            err().print(
                f"[warn]starts new:[/] make kept a study of this name in {other}; to continue "
                f"that one: TUNER_HOME={shlex.quote(str(other))} {self._command}",
                soft_wrap=True,
            )

    def _start_workers(self) -> None:
        with waiting("starting the workers"):
            line = self._start_fleet()
        out().print(line, soft_wrap=True)
        if self._remark:
            out().print(self._remark, soft_wrap=True)
        out().print()

    def _start_fleet(self) -> str:
        """Start the workers; return the line about them."""
        self._fleet_starts += 1
        url = self._settings.api_url or (self._service.url if self._service else "")
        self._fleet_process = self._fleet.start(
            self._workers,
            environ=self._environ,
            api_url=url,
            gpus="all" if self._submission.spec.trial.gpus else "none",
            gpus_per_worker=max(1, self._submission.spec.trial.gpus),
            isolation=self._isolation,
            bound=True,
            preimport=self._submission.preimport,
        )
        return headings.fleet(self._fleet.wait_started(self._fleet_process), self._fleet.log)

    def _follow(self, feed: Feed) -> StudyStatus:
        """Show progress until the study has ended, or is paused by what only its user can fix."""
        imports = self._submission.preimport != "none"
        first = "the workers import Keras" if imports else "the workers start"
        try:
            status = feed.api.status(self._study)
            with StudyProgress(out(), status, first_waits_for=first) as progress:
                return self._watch(feed, progress)
        except NotFoundError as exc:
            raise UnavailableError(
                f"{self._study} was deleted while it ran, so its run ends here; "
                f"begin it again with: {self._command}"
            ) from exc

    def _watch(self, feed: Feed, progress: StudyProgress) -> StudyStatus:
        began = time.monotonic()
        quiet = True
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
            if news.ended:
                self._fleet_starts = 0
            self._watch_workers(progress)
            quiet = quiet and not news.status["workers"] and not news.ended
            if quiet and time.monotonic() - began > _QUIET_S:
                progress.say(f"[warn]no trial has started yet; see {self._fleet.log}[/]")
                quiet = False
            time.sleep(LOOK_S)

    def _revive(self, progress: StudyProgress) -> None:
        """Restart a service that crashed, but not one that was ended deliberately."""
        if self._service is None or is_running(self._service.pid):
            return
        if read_service(self._settings) is None:
            raise UnavailableError(
                f"the service was ended while the study ran; continue with: {self._command}"
            )
        progress.say("[warn]the service has died; it is started again[/]")
        self._service = restart_service(self._settings, self._environ, self._service)

    def _watch_workers(self, progress: StudyProgress) -> None:
        """Restart workers that were killed; if they cannot work, the run ends."""
        process = self._fleet_process
        if process is None or process.poll() is None:
            return
        if process.returncode == WRONG or self._fleet_starts > _FLEET_STARTS:
            raise UnavailableError(
                f"the workers ended with status {process.returncode}; the end of "
                f"{self._fleet.log}:\n{read_tail(self._fleet.log)}"
            )
        progress.say("[warn]the workers have died; they are started again[/]")
        self._start_fleet()

    def _end(self, *, grace_s: float) -> None:
        """End the own workers, and the service if nobody else needs it."""
        deadline = time.monotonic() + grace_s
        if self._fleet_process is not None:
            end_child(self._fleet_process, grace_s - (END_S - LEAVE_S))
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
            # Best effort: the workers are about to leave, so nothing will be dispatched.
            with contextlib.suppress(TunerError):
                if self._api.status(self._study)["state"] == "running":
                    self._api.pause(self._study)
        self._end(grace_s=END_S - 1.0)
        say(f"continue with: {self._command}")
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
