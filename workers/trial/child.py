"""The process of one trial: runs the objective and tells its worker how it ended.

It never talks to the service, holds no token, and dies with its worker. `python -m
workers.trial.child` is the fresh interpreter of `--isolation spawn`; a fork calls `run_next_task`
itself.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tuner.protocol import Cause, Outcome
from tuner.roots import Place
from workers.backends.trial import BackendError, prepare, say_if_overruled
from workers.caused import CausedError
from workers.command.execution import run_command
from workers.failures.causes import classify, describe_error
from workers.host.linux import be_killed_first, die_with_parent
from workers.host.typing import override
from workers.hyper import run_hypermodel
from workers.objective.finding import HYPERMODEL, ObjectiveError, load_objective
from workers.objective.own_modules import loaded_files
from workers.objective.result import Result, ResultError, read_result
from workers.objective.run import Run
from workers.objective.seeds import seed_everything
from workers.objective.session import Session, TrialStopped, Word
from workers.objective.task import SHOW_STACK, Task
from workers.records.files import OUTPUT
from workers.trial.channel import Channel, ChannelLink

#: How a trial ends that obeyed an order.
_OBEYED: dict[Word, tuple[Outcome, Cause | None]] = {
    "prune": ("pruned", None),
    "cancel": ("failed", "cancelled"),
    "preempt": ("failed", "preempted"),
}


class _Output(io.RawIOBase):
    """A file on a disk that may be full: what does not fit is dropped, and no `print` fails."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @override
    def fileno(self) -> int:
        return self._fd

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Any) -> int:
        with contextlib.suppress(OSError):
            os.write(self._fd, data)
        return len(data)


def run_trial(task: Task, channel: Channel) -> NoReturn:
    """Run the trial in this process, send how it ended, and exit without any exit handler.

    Exit handlers of a forked process are its parent's, and TensorFlow's threads may block them.
    """
    status = 0
    try:
        redirect_output(task.run)
        be_killed_first()
        # The log then contains the Python stack of a crash in C++.
        faulthandler.enable(file=2)
        # The same for a trial that hangs, even inside C, before it is killed.
        faulthandler.register(SHOW_STACK, file=2, all_threads=True)
        _leave_sigterm_to_the_worker()
        channel.send({"kind": "end", **execute(task, channel)})
    except OSError:
        status = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def execute(task: Task, channel: Channel) -> dict[str, Any]:
    """Run the objective; return the fields of the end message."""
    return {**_run(task, channel), "modules": loaded_files(task.code_root)}


def _run(task: Task, channel: Channel) -> dict[str, Any]:
    session = Session(
        link=ChannelLink(channel),
        metrics=task.metrics,
        attempt_no=task.attempt_no,
        curve=task.points,
    )
    roots = [Path(task.log_root), Path(task.checkpoint_root)]
    try:
        result = _call(task, session)
    except TrialStopped as stop:
        return _end_stopped(session, stop)
    except CausedError as exc:
        return _end_failed(session, exc.cause, str(exc))
    except (ObjectiveError, BackendError, ResultError) as exc:
        return _end_failed(session, "error", str(exc))
    # User code may raise anything, including SystemExit: how it ends is a result of the trial.
    except BaseException as exc:  # noqa: BLE001
        return _end_failed(session, classify(exc, roots), describe_error(exc, task.code_root))
    return _end_returned(session, result)


def redirect_output(place: Place) -> None:
    """Redirect standard output and error to the output file of the run in `place`.

    Python's own streams then never fail on a full disk.
    """
    try:
        with place.open() as folder:
            fd = folder.append(OUTPUT)
    except OSError:
        fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = io.TextIOWrapper(
            io.BufferedWriter(_Output(number)), "utf-8", "backslashreplace", line_buffering=True
        )
        setattr(sys, name, stream)


def _leave_sigterm_to_the_worker() -> None:
    """Ignore SIGTERM: a host that shuts down sends it to all, and the worker decides then.

    Processes that user code forks inherit the handler and must remain endable: there it is undone.
    """
    trial = os.getpid()

    def on_sigterm(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != trial:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, on_sigterm)


def _call(task: Task, session: Session) -> Result | None:
    """Return what the objective returned; None if a stop or NaN has decided the outcome."""
    if task.devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(task.devices)
    prepare(task.choice, kind=task.kind, preimport=task.preimport and not task.command)
    run = Run(
        params=task.params,
        seed=task.seed,
        trial=task.trial,
        session=session,
        logdir=task.run.path,
        checkpoints=task.checkpoints,
        devices=task.devices,
        task=task,
    )
    returned = _execute(task, run)
    if session.obeyed is not None or session.diverged is not None:
        return None
    return read_result(returned, task.metrics)


def _execute(task: Task, run: Run) -> Any:
    """Run what the study names, and return what it returned."""
    is_seeded = False

    def seed() -> None:
        nonlocal is_seeded
        if not is_seeded:
            say_if_overruled()
        is_seeded = True
        seed_everything(task.seed, task.reproducibility)

    if task.command:
        return run_command(task, run)
    if task.objective.startswith(HYPERMODEL):
        return run_hypermodel(
            task.objective,
            run,
            known=task.found,
            loader=task.loader,
            code_root=task.code_root,
            seed=seed,
        )
    function = load_objective(task.objective, task.code_root)
    seed()
    return function(run)


def _end_returned(session: Session, result: Result | None) -> dict[str, Any]:
    if session.obeyed is not None:
        return _end_obeyed(session.obeyed)
    problem = session.diverged if result is None else result.problem(session.metrics)
    if problem is not None or result is None:
        return _failed("diverged", problem or "the training diverged")
    return {"outcome": "complete", "values": result.values, "metrics": result.metrics}


def _end_stopped(session: Session, stop: TrialStopped) -> dict[str, Any]:
    if session.obeyed is None:
        return _failed(
            "error", f"the objective raised {type(stop).__name__}, which nobody had ordered"
        )
    return _end_obeyed(session.obeyed)


def _end_failed(session: Session, cause: Cause, error: str) -> dict[str, Any]:
    # An error while a stopped trial cleans up, or after its numbers broke, is not why it ended.
    if session.obeyed is not None:
        return _end_obeyed(session.obeyed)
    if session.diverged is not None:
        return _failed("diverged", session.diverged)
    return _failed(cause, error)


def _end_obeyed(word: Word) -> dict[str, Any]:
    outcome, cause = _OBEYED[word]
    return {"outcome": outcome, "cause": cause}


def _failed(cause: Cause, error: str) -> dict[str, Any]:
    return {"outcome": "failed", "cause": cause, "error": error}


def run_next_task(fd: int, worker: int) -> NoReturn:
    """Wait for a task, the first message on `fd`, and run it; exit if the worker dies before.

    Args:
        fd: this side's end of the channel.
        worker: process id of the worker, the parent of this process when the task comes.
    """
    # What the objective starts must not speak to the worker, nor keep the channel open.
    os.set_inheritable(fd, False)
    # A task holds the curve so far; the worker keeps to the limits of the protocol.
    channel = Channel(socket.socket(fileno=fd), max_line_bytes=None)
    messages: list[dict[str, Any]] = []
    while not messages:
        channel.wait(60.0)
        messages = channel.receive()
        if channel.closed:
            os._exit(1)
    die_with_parent(worker)
    run_trial(Task(**messages[0]), channel)


if __name__ == "__main__":
    run_next_task(int(sys.argv[1]), int(sys.argv[2]))
