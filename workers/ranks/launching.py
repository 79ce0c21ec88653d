"""Starts the ranks of a trial from its objective, and ends them with it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tuner.roots import Place
from tuner.runtime.system import end_child
from workers.caused import CausedError
from workers.failures.causes import explain_exit, read_tail, with_tail
from workers.host.interpreter import python_command
from workers.host.memory import oom_kills
from workers.objective.run import Run
from workers.objective.task import Task
from workers.ranks.crew import Crew, Loss
from workers.ranks.meeting import MAX_RANKS, MEETING, open_meeting
from workers.trial.heard import HeardEnd

LOOK_S = 0.1
#: Seconds that the other ranks get to end after rank 0 has its result.
OTHERS_S = 30.0
#: Seconds for a launcher that saw a rank die to report that and end the others.
SEES_DEATH_S = 5.0
#: Seconds from SIGTERM to SIGKILL. A trial that is told to stop has 10 s in total.
LEAVE_S = 3.0
#: The name of the result if no study names a metric: when run by hand.
_BY_HAND = "result"
#: torchrun's message about a rank that was ended by a signal.
_SIGNAL = r"Signal (\d+) \(\w+\) received by PID {pid}\b"


def launch_ranks(
    run: Run,
    function: Callable[[Run], Any],
    *,
    ranks: int | None = None,
    command: Sequence[str] | None = None,
) -> Any:
    """Run `function` in several processes, and return what rank 0 returned.

    All ranks have the run's parameters, seed, folders and devices. Reports of rank 0 are the
    trial's, those of others are dropped. Rank 0 is told to stop when the trial is, and the others
    are ended with it. A rank that fails or dies ends all of them, and the trial with its cause.

    Args:
        function: a function of a module, not a lambda or nested function; takes the rank's `Run`.
        ranks: number of processes; by default one for each device that the trial owns.
        command: the launcher, completed by `-m workers.ranks`; by default torchrun on this host
            only. With another one (`["mpirun", "-n", "4", sys.executable]`), `ranks` must be given.

    Returns:
        The metric, or a dict of all metrics if rank 0 returned several.

    Raises:
        CausedError: a rank failed, or the launcher did.
        TrialStopped: the trial was told to stop, and rank 0 did.
        ValueError: the function cannot be found by its name, or the number of ranks is invalid.
        ModuleNotFoundError: PyTorch, which brings torchrun, is not installed.
    """
    count = len(run.devices) or 1 if ranks is None else ranks
    if not 1 <= count <= MAX_RANKS:
        raise ValueError(f"launch_ranks: {count} ranks: a number from 1 to {MAX_RANKS}")
    task = _task_of(run, function)
    name, listener = open_meeting()
    with listener:
        killed = oom_kills()
        process = subprocess.Popen(
            [*(_torchrun(count) if command is None else command), "-m", "workers.ranks"],
            # The same as for this process, without a current folder that modules could be imported
            # from.
            env={
                **os.environ,
                MEETING: name,
                **({"PYTHONSAFEPATH": "1"} if sys.flags.safe_path else {}),
            },
            stdin=subprocess.DEVNULL,
        )
        crew = Crew(listener, run.session, {"task": task.to_json(), "path": sys.path})
        try:
            end = _Watch(crew, process, count, Place(run.logdir)).wait(killed)
        finally:
            # The launcher ends the ranks.
            end_child(process, LEAVE_S)
            crew.close()
    return _result(run, end)


class _Watch:
    """Waits for the ranks of one trial."""

    def __init__(
        self, crew: Crew, process: subprocess.Popen[bytes], count: int, output: Place
    ) -> None:
        self._crew = crew
        self._process = process
        self._count = count
        self._output = output

    def wait(self, killed: int) -> HeardEnd:
        """Return how rank 0 ended, once all ranks have ended.

        Args:
            killed: number of processes that the kernel had killed for memory at the start.
        """
        crew = self._crew
        until = None
        while True:
            crew.look(LOOK_S)
            if crew.loss is not None and not _has_obeyed(crew.end):
                self._fail(crew.loss, killed)
            if crew.end is not None:
                until = until or time.monotonic() + OTHERS_S
                if _has_obeyed(crew.end) or time.monotonic() >= until:
                    return crew.end
            if self._process.poll() is not None:
                # Read what was sent just before.
                crew.look(0)
                if crew.end is None or crew.loss is not None or self._process.returncode:
                    self._fail(crew.loss, killed)
                return crew.end

    def _fail(self, loss: Loss | None, killed: int) -> NoReturn:
        if loss is None:
            self._fail_without_ranks()
        who = f"rank {loss.rank} of {self._count}"
        if loss.end is not None:
            raise CausedError(loss.end.cause or "error", f"{loss.end.error} ({who})")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SEES_DEATH_S)
        tail = read_tail(self._output)
        if found := re.search(_SIGNAL.format(pid=loss.pid), tail):
            cause, text = explain_exit(-int(found[1]), self._output, of_memory=oom_kills() > killed)
            raise CausedError(cause, f"{text} ({who})")
        if oom_kills() > killed:
            raise CausedError("oom", f"{who} is gone: the kernel killed it for memory")
        raise CausedError(
            "error", with_tail(f"{who} (process {loss.pid}) ended without a result", tail)
        )

    def _fail_without_ranks(self) -> NoReturn:
        status = self._process.returncode
        text = f"the launcher of the {self._count} ranks ended with status {status}"
        if status == 0:
            text += ", and rank 0 has returned nothing: does it start `-m workers.ranks`?"
        raise CausedError("error", with_tail(text, read_tail(self._output)))


def _has_obeyed(end: HeardEnd | None) -> bool:
    """Whether rank 0 was told to stop and did: then the others' ends do not matter."""
    if end is None:
        return False
    return end.outcome == "pruned" or end.cause in ("cancelled", "preempted")


def _torchrun(count: int) -> list[str]:
    if importlib.util.find_spec("torch") is None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    return [*python_command(), "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]


def _task_of(run: Run, function: Callable[[Run], Any]) -> Task:
    """Return the task of each rank: the trial's, with this function."""
    objective = _name_of(function)
    if run.task is not None:
        return dataclasses.replace(run.task, objective=objective, preimport=False)
    checkpoints = run.checkpoints
    return Task(
        objective=objective,
        params=dict(run.params),
        seed=run.seed,
        trial=run.trial,
        attempt_no=run.attempt,
        metrics=[{"name": _BY_HAND, "goal": "maximize"}],
        reproducibility="seeded",
        code_root=None,
        log_root=str(run.logdir.parent),
        checkpoint_root=str(checkpoints.root),
        run_dir=run.logdir.name,
        checkpoint_dir=checkpoints.relative,
        devices=[] if "CUDA_VISIBLE_DEVICES" not in os.environ else run.devices,
    )


def _name_of(function: Callable[[Run], Any]) -> str:
    """Return `module:function`, by which the ranks find it.

    Raises:
        ValueError: it has no such name.
    """
    module, name = function.__module__, getattr(function, "__qualname__", "")
    if module == "__main__":
        # A script that is run by hand; the ranks import it by the name of its file.
        module = Path(getattr(sys.modules["__main__"], "__file__", "")).stem
    if not module or not name or "<" in name:
        raise ValueError(
            f"launch_ranks: {name or function!r} must be a function of a module: "
            "the ranks are other processes, and find it by its name"
        )
    return f"{module}:{name}"


def _result(run: Run, end: HeardEnd) -> Any:
    """Return what rank 0 returned.

    Raises:
        TrialStopped: it was told to stop.
        CausedError: it diverged.
    """
    if _has_obeyed(end):
        run.session.raise_if_stopped()
    if end.outcome == "failed":
        raise CausedError(end.cause or "error", end.error)
    names = [metric["name"] for metric in run.session.metrics] or [_BY_HAND]
    named = dict(zip(names, end.values, strict=True))
    metrics = {**end.metrics, **named}
    return end.values[0] if list(metrics) == names[:1] else metrics
