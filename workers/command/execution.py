"""Runs the command of a trial: its output becomes reports, and at its end the result."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.tfevents import write_json
from workers.command.ends import explain_status
from workers.command.errors import CommandError
from workers.command.event_files import last_scalars, names_before
from workers.command.filling import fill_command
from workers.command.lines import Lines, Said, read_line
from workers.command.process import CommandProcess
from workers.command.workplace import find_program, workplace
from workers.failures.causes import read_tail
from workers.host.memory import oom_kills
from workers.objective.run import Run
from workers.objective.task import SHOW_STACK, Task

#: Seconds between checks of the service's orders while the command prints nothing.
LOOK_S = 0.1
#: File with the trial's parameters, in the run's folder.
PARAMS = "params.json"
_SHOWN = 10
#: Maximum number of bytes of an incomplete line that are held back until its end.
_MOST_HELD = 65_536


def run_command(task: Task, run: Run) -> dict[str, float]:
    """Run a trial's command to its end and return the numbers of its result.

    The last JSON line on its standard output with the metric in it is the result; without one, the
    last value of each scalar in the event files that it has written below the run's folder.

    Raises:
        CommandError: it cannot be started, fails, or has no result.
        TrialStopped: the trial was told to end, and the command ended with it.
    """
    # The signal would print the stack of this process, which is of no interest.
    signal.signal(SHOW_STACK, lambda _number, _frame: None)
    before = names_before(task.run)
    with workplace(task.code_root) as folder:
        environ = _environ(task, run)
        words = _words(task, environ)
        arguments = fill_command(task.command, task.params, words)
        find_program(arguments[0], folder, environ["PATH"])
        kills = oom_kills()
        process = CommandProcess(arguments, folder, environ)
        try:
            said = _Watch(run, process, [metric["name"] for metric in task.metrics]).follow()
        finally:
            process.close()
        if process.status != 0:
            raise explain_status(
                process.status,
                read_tail(task.run),
                folder=folder,
                of_memory=oom_kills() > kills,
                roots=[Path(task.log_root), Path(task.checkpoint_root)],
            )
    return _result(said, task, before)


class _Watch:
    """What is known about a command. Mutable: it grows while the command runs.

    Args:
        metrics: names, in the study's order.
    """

    def __init__(self, run: Run, process: CommandProcess, metrics: Sequence[str]) -> None:
        self._session = run.session
        self._process = process
        self._metrics = metrics
        self._lines = Lines()
        self._last: Said | None = None
        self._has_told = False
        self._held = bytearray()

    def follow(self) -> Said | None:
        """Return the last line with the metrics in it, when the command has ended.

        Raises:
            CommandError: it printed an invalid metric or step.
            TrialStopped: it was told to end.
        """
        while (data := self._process.read(LOOK_S)) is not None:
            self._pass_on(data)
            for line in self._lines.take(data):
                self._hear(line)
            if not self._process.is_told_to_end and self._session.word() != "continue":
                self._session.obey(self._session.word())
                self._process.tell_to_end()
        self._pass_on(b"")
        for line in self._lines.end():
            self._hear(line)
        if self._session.obeyed is not None:
            raise self._session.obey(self._session.obeyed)
        return self._last

    def _pass_on(self, data: bytes) -> None:
        """Write output to the trial's output, in whole lines, or when nothing more comes.

        The command's standard error goes there directly, and would otherwise appear in the middle
        of a line.
        """
        self._held += data
        end = self._held.rfind(b"\n") + 1
        if not data or len(self._held) - end > _MOST_HELD:
            end = len(self._held)
        _write(bytes(self._held[:end]))
        del self._held[:end]

    def _hear(self, line: bytes) -> None:
        said = read_line(line, self._metrics[0])
        # What it prints while it ends does not count as a report.
        if said is None or self._session.obeyed is not None:
            return
        if all(name in said.numbers for name in self._metrics):
            self._last = said
        if said.step is None:
            return
        if said.step <= self._session.last_step:
            self._tell_once(said.step)
            return
        value = said.numbers[self._metrics[0]]
        rest = {k: v for k, v in said.numbers.items() if k != self._metrics[0]}
        self._session.report(said.step, value, rest)

    def _tell_once(self, step: int) -> None:
        if not self._has_told:
            self._has_told = True
            sys.stderr.write(
                f"tuner: step {step} does not come after step {self._session.last_step} and is no "
                "report; of several processes, one should print\n"
            )


def _write(data: bytes) -> None:
    """Write output to this process's own, which is the trial's; a full disk drops it."""
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(1, data) :]


def _environ(task: Task, run: Run) -> dict[str, str]:
    """Return the environment of the command: the trial's, and variables about the trial.

    Raises:
        OSError: the parameters cannot be written, or the checkpoint folder cannot be made.
    """
    write_json(task.run, PARAMS, task.params)
    own = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    return {
        **os.environ,
        # Programs of the worker's own environment, such as `torchrun`, before others of the same
        # name.
        "PATH": path if path.split(os.pathsep)[0] == own else f"{own}{os.pathsep}{path}",
        # Lines must arrive when they are printed, not when a buffer is full.
        "PYTHONUNBUFFERED": os.environ.get("PYTHONUNBUFFERED", "1"),
        "TUNER_PARAMS": str(task.run.path / PARAMS),
        "TUNER_RUN_DIR": str(task.run.path),
        "TUNER_CHECKPOINT_DIR": str(run.checkpoint_dir),
        "TUNER_STUDY": task.study,
        "TUNER_TRIAL": str(task.trial),
        "TUNER_ATTEMPT": str(task.attempt_no),
        "TUNER_SEED": str(task.seed),
        "TUNER_METRIC": task.metrics[0]["name"],
    }


def _words(task: Task, environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        "seed": task.seed,
        "trial": task.trial,
        "attempt": task.attempt_no,
        "run_dir": environ["TUNER_RUN_DIR"],
        "checkpoint_dir": environ["TUNER_CHECKPOINT_DIR"],
        "params": environ["TUNER_PARAMS"],
        "devices": len(task.devices),
    }


def _result(said: Said | None, task: Task, before: frozenset[str]) -> dict[str, float]:
    if said is not None:
        return said.numbers
    names = [metric["name"] for metric in task.metrics]
    found = last_scalars(task.run, before)
    missing = [name for name in names if name not in found]
    if not missing:
        return found
    like = ", ".join(f'"{name}": 0.9' for name in names)
    raise CommandError(
        f"the command ended without the metric {missing[0]!r}: no JSON line on its standard output "
        f"holds it, and no event file in TUNER_RUN_DIR {_has(found)}; let it print, as "
        f"its last line, {{{like}}}"
    )


def _has(found: Mapping[str, float]) -> str:
    if not found:
        return "has a scalar"
    names = sorted(found)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"has it (their scalars: {', '.join(names[:_SHOWN])}{more})"
