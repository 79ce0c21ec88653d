"""The fenced blocks of our pages: files that are written, commands that are run as they stand.

A ```console block holds commands after `$ ` with what they print; a ```sh block only commands.
```python and ```yaml blocks are files when the line above them ends with a colon and names one:
"The objective, `objectives.py`:". In an expected output, `…` stands for anything in a line, and a
line of its own for any lines; numbers, times, durations and hashes need only be of the same kind.
`^C` at its end stands for Ctrl-C. A command must exit with 0, or as `$ echo $?` after it says.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.patience import clock, read_to_end, wait_end

CTRL_C = "^C"
INTERRUPTED = 130
TIMEOUT_S = 240.0

_FENCE = re.compile(r"^```(\w*)\s*$")
_FILE = re.compile(r"`([\w./-]+\.(?:py|yaml))`[^`]*:$")
#: What differs from run to run, in the order in which it is replaced.
_KINDS = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?"), "<time>"),
    (re.compile(r"\d{8}T\d{6}Z"), "<time>"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "<hash>"),
    (re.compile(r"\b\d+(?:\.\d+)? (?:d|h|min|s)\b(?: \d+ (?:h|min|s)\b)?"), "<duration>"),
    (re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"), "<number>"),
    (re.compile(r"\d+"), "<digits>"),
    (re.compile(r"─+"), "─"),
    (re.compile(r"[▁▂▃▄▅▆▇█]+"), "<curve>"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block; `line` is where its text begins in the page."""

    language: str
    text: str
    line: int
    #: The file that the line above it names.
    file: str | None = None


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command of a page, with what the page says it does."""

    text: str
    #: None when the page does not say what is printed.
    output: str | None = None
    status: int = 0
    interrupt: bool = False


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    blocks: list[Block] = []
    language, inside, above, start = "", False, "", 0
    lines: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        fence = _FENCE.match(line)
        if inside and line == "```":
            file = _FILE.search(above)
            blocks.append(
                Block(
                    language=language,
                    text="\n".join(lines) + "\n",
                    line=start,
                    file=file[1] if file else None,
                )
            )
            inside, above = False, ""
        elif inside:
            lines.append(line)
        elif fence:
            language, inside, lines, start = fence[1], True, [], number + 1
        elif line.strip():
            above = line.strip()
    return blocks


def read_commands(block: Block) -> list[Command]:
    """Return the commands of a `sh` or `console` block."""
    if block.language == "sh":
        texts = (line.partition(" # ")[0].strip() for line in block.text.splitlines())
        return [Command(text=text) for text in texts if text and not text.startswith("#")]
    commands: list[Command] = []
    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        first, _, output = part.partition("\n")
        while first.endswith("\\"):
            more, _, output = output.partition("\n")
            first = first[:-1] + more.removeprefix("> ")
        if first == "echo $?" and commands:
            commands[-1] = replace(commands[-1], status=int(output))
            continue
        interrupt = output.rstrip().endswith(CTRL_C)
        output = output.rstrip().removesuffix(CTRL_C)
        commands.append(
            Command(
                text=first,
                output=output,
                interrupt=interrupt,
                status=INTERRUPTED if interrupt else 0,
            )
        )
    return commands


def normalise(text: str) -> str:
    """Return `text` with everything that differs from run to run replaced by its kind."""
    for pattern, kind in _KINDS:
        text = pattern.sub(kind, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def matches(expected: str, output: str) -> bool:
    """Return whether `output` is what a page shows."""
    pattern = ""
    for line in normalise(expected).splitlines():
        if line == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.split("…")) + r"\n"
    return re.fullmatch(pattern, normalise(output) + "\n" if output.strip() else "") is not None


class Shell:
    """Runs the commands of a page one after the other, as one person's terminal would.

    Exported variables and the working directory last from one command to the next.

    Args:
        folder: where the person works.
        environ: what the person's session starts with.
    """

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self._state = folder.with_name(f"{folder.name}.state")
        self._state.write_text(f"cd '{folder}'\n")
        self._environ = environ

    def run(self, command: Command, *, timeout_s: float = TIMEOUT_S) -> str:
        """Run a command, and return everything that it prints.

        Raises:
            AssertionError: it exits with another status, or prints something else.
        """
        script = f". '{self._state}'\n"
        if command.interrupt:
            return self._run_until_interrupt(command, script + f"exec {command.text}", timeout_s)
        script += f"""eval "$1"; status=$?
            {{ export -p; echo "cd '$PWD'"; }} >'{self._state}'
            exit $status"""
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", command.text],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said, _ = read_to_end(process, timeout_s)
        _check(command, process.returncode, said)
        return said

    def _run_until_interrupt(self, command: Command, script: str, timeout_s: float) -> str:
        log = self.folder.with_name(f"{self.folder.name}.interrupted")
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", script],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            deadline = clock() + timeout_s
            while process.poll() is None and not matches(command.output or "", log.read_text()):
                assert clock() < deadline, _explain(command, log.read_text())
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGINT)
            status = wait_end(process, 30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said = log.read_text()
        assert status in (command.status, -signal.SIGINT), _explain(command, said, status)
        return said


def _check(command: Command, status: int, output: str) -> None:
    assert status == command.status, _explain(command, output, status)
    if command.output is not None:
        assert matches(command.output, output), _explain(command, output)


def _explain(command: Command, output: str, status: int | None = None) -> str:
    exited = "" if status is None else f"\nexited with {status}, not {command.status}"
    return (
        f"$ {command.text}{exited}\n--- the page says\n{command.output or ''}\n"
        f"--- it printed\n{output}\n--- as compared\n{normalise(output)}"
    )
