"""The real command line, in processes of its own and in a home of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.patience import clock, pause_since, read_to_end
from tuner.client import ApiClient
from tuner.errors import TunerError
from tuner.local.home import read_token, running_service
from tuner.settings import load_settings

ROOT = Path(__file__).parents[2]
TUNER = (sys.executable, "-P", "-m", "tuner")
#: For one command on a busy machine; a study takes longer.
COMMAND_S = 60.0

Answer = TypeVar("Answer")

#: A study of `objectives:climb`, which reports `steps` times; to be formatted.
CLIMB = """
    project: {project}
    study: {study}
    objective: objectives:climb
    metric: {{name: score, goal: maximize}}
    search_space:
      x: {{type: float, low: 0.0, high: 1.0}}
      steps: {{type: fixed, value: {steps}}}
    sampler: {{name: random, seed: 5}}
    budget: {{trials: {trials}}}
"""
#: Its objective: a report each tenth of a second, `steps` of them.
CLIMBER = """
    import time
    from workers import Run


    def climb(run: Run) -> float:
        for step in range(1, int(run.params["steps"]) + 1):
            time.sleep(0.1)
            run.report(step, run.params["x"] * step)
        return run.params["x"]
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything it said."""
        return self.out + self.err


class Home:
    """A folder with specs and code (`work`) and a Tuner home beside it that nobody else uses.

    Made by `open_home`, which ends what is left of it.
    """

    def __init__(self, folder: Path, **environ: str) -> None:
        self.path = folder / "home"
        self.work = folder / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TUNER_")}
        self.environ = kept | {
            "TUNER_HOME": str(self.path),
            "PYTHONPATH": str(ROOT),
            # As in an activated environment: what is printed then names `tuner`.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "CUDA_VISIBLE_DEVICES": "-1",
            "COLUMNS": "200",
            **environ,
        }

    @property
    def logs(self) -> Path:
        """The log root."""
        return Path(self.environ.get("TUNER_LOG_ROOT", self.path / "logs"))

    def write(self, name: str, text: str) -> Path:
        """Write a file of the user's; its common indentation is removed."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return path

    def run(self, *args: object, timeout_s: float = COMMAND_S, **environ: str) -> Done:
        """Run a command to its end, whatever its exit code."""
        process = subprocess.Popen(
            [*TUNER, *map(str, args)],
            cwd=self.work,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said, complained = read_to_end(process, timeout_s)
        return Done(code=process.returncode, out=said, err=complained)

    def ok(self, *args: object, timeout_s: float = COMMAND_S, **environ: str) -> Done:
        """Run a command that must exit with 0."""
        done = self.run(*args, timeout_s=timeout_s, **environ)
        assert done.code == 0, f"tuner {' '.join(map(str, args))}: {done}\n{self.explain()}"
        return done

    def json(self, *args: object) -> Any:
        """Return the one document that a command prints with --json."""
        return json.loads(self.ok(*args, "--json").out)

    def json_file(self, name: str) -> Any:
        """Return what a JSON file in the home holds."""
        return json.loads((self.path / name).read_text())

    @contextlib.contextmanager
    def process(self, *args: object, **environ: str) -> Iterator[Running]:
        """Run a command beside the test; it is killed at the end of the context."""
        log = self.work.with_name(f"{args[0]}-{time.monotonic_ns()}.out")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*TUNER, *map(str, args)],
                cwd=self.work,
                env=self.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        running = Running(process, log)
        try:
            yield running
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def wait(
        self,
        ask: Callable[[], Answer],
        is_right: Callable[[Answer], bool] = bool,
        timeout_s: float = COMMAND_S,
    ) -> Answer:
        """Return the first answer that is right.

        Raises:
            AssertionError: none was in time; the text holds the last one and the logs.
        """
        began = clock()
        while not is_right(answer := ask()):
            if clock() > began + timeout_s:
                raise AssertionError(f"still {answer!r} after {timeout_s} s\n{self.explain()}")
            pause_since(began, 0.1)
        return answer

    def ask(self, verb: str, *args: object) -> Any:
        """Return what the running service answers, None while it does not know or is not there.

        For waiting: a command takes a second of processor time, this takes milliseconds.
        """
        settings = load_settings(self.environ)
        info = running_service(settings)
        if info is None:
            return None
        with ApiClient(info.url, read_token(settings)) as api, contextlib.suppress(TunerError):
            return getattr(api, verb)(*args)
        return None

    def wait_status(
        self, study: str, is_right: Callable[[Any], bool], timeout_s: float = COMMAND_S
    ) -> Any:
        """Return the first status of the study that is right, from the running service."""
        return self.wait(
            lambda: self.ask("status", study),
            lambda status: status is not None and is_right(status),
            timeout_s,
        )

    def processes(self) -> dict[int, str]:
        """Return pid and command line of every process of this home."""
        return processes_of(self.path)

    def explain(self) -> str:
        """Return the ends of the logs of service and workers, for a failed assertion."""
        logs = [self.path / "service.log", *sorted((self.path / "fleets").glob("*.log"))]
        ends = [
            f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}"
            for path in logs
            if path.exists()
        ]
        return "\n".join(ends)


class Running:
    """A command beside the test, in a session of its own; its output goes to a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def text(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def interrupt(self) -> None:
        """Do what Ctrl-C does: SIGINT to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, timeout_s: float = COMMAND_S) -> int:
        """Return the exit code."""
        deadline = clock() + timeout_s
        while (status := self.process.poll()) is None:
            assert clock() < deadline, f"still running after {timeout_s} s:\n{self.text}"
            time.sleep(0.05)
        return status

    def wait_for(self, text: str, timeout_s: float = COMMAND_S) -> str:
        """Wait until it has said `text`; return everything it said."""
        deadline = clock() + timeout_s
        while text not in self.text:
            ended = self.process.poll()
            if ended is not None and text not in self.text:
                raise AssertionError(f"ended with {ended} without {text!r}:\n{self.text}")
            if clock() > deadline:
                raise AssertionError(f"no {text!r} within {timeout_s} s:\n{self.text}")
            time.sleep(0.05)
        return self.text


@contextlib.contextmanager
def open_home(folder: Path, **environ: str) -> Iterator[Home]:
    """Give a home, and end every process of it at the end of the context."""
    home = Home(folder, **environ)
    try:
        yield home
    finally:
        end_processes(folder)


def processes_of(folder: Path) -> dict[int, str]:
    """Return pid and command line of every process whose home is `folder` or lies in it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if command and _belongs(entry, command, folder):
                    text = command.replace(b"\0", b" ")
                    found[int(entry.name)] = text.decode(errors="replace")
    return found


def _belongs(process: Path, command: bytes, folder: Path) -> bool:
    home = rb"(^|\0)(TUNER_)?HOME=" + re.escape(bytes(folder)) + rb"(/[^\0]*)?\0"
    named = rb"(^|[\0=:])" + re.escape(bytes(folder)) + rb"[/\0]"
    if re.search(home, (process / "environ").read_bytes() + b"\0") or re.search(named, command):
        return True
    # Redis inherits nothing, but works in its folder of the home.
    return (process / "cwd").readlink().is_relative_to(folder)


def end_processes(folder: Path) -> None:
    """End what tests have left that has its home in `folder`."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in processes_of(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = clock() + 15
        while processes_of(folder) and clock() < deadline:
            time.sleep(0.1)
