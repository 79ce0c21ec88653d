"""What a terminal shows of a command, with its colours, as lines and as an SVG."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

#: Cursor up so many lines, erase the line, any other control sequence but colours, newline, return.
_CONTROL = re.compile(r"\x1b\[(\d*)A|\x1b\[\d*K|\x1b\[[?\d;]*[a-ln-zB-Z]|\n|\r")


def record(command: Sequence[str], *, folder: Path, environ: dict[str, str], columns: int) -> str:
    """Run a command in a terminal of its own and return everything that it wrote there.

    Args:
        command: program and arguments.
        folder: where it runs.
        environ: its environment.
        columns: width of the terminal.

    Raises:
        RuntimeError: it failed; the text is what it said.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(command[0], list(command), environ | {"TERM": "xterm-256color"})  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    written = b""
    # The terminal ends with an error when its last process has left.
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 65536):
            written += chunk
    os.close(terminal)
    text = written.decode(errors="replace")
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        raise RuntimeError(text[-2000:])
    return text


def shown(written: str) -> list[str]:
    """Return the lines that are left on the screen, each with its colours.

    It knows what rich's live displays do: they go up, erase whole lines and write them anew.
    """
    lines = [""]
    row = 0
    position = 0
    for control in _CONTROL.finditer(written):
        lines[row] += written[position : control.start()]
        position = control.end()
        what = control[0]
        if what.endswith("A"):
            row = max(0, row - int(control[1] or 1))
        elif what.endswith("K"):
            lines[row] = ""
        elif what == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
    lines[row] += written[position:]
    while lines and not Text.from_ansi(lines[-1]).plain.strip():
        lines.pop()
    return lines


def to_svg(lines: Sequence[str], *, title: str, columns: int) -> str:
    """Return a window with these lines as an SVG."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a name, not a path
        console = Console(
            record=True, width=columns, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        for line in lines:
            text = Text.from_ansi(line)
            # A terminal goes on in the next line, in the middle of a word.
            for part in text.divide(range(columns, len(text), columns)):
                console.print(part, no_wrap=True, overflow="crop", crop=True)
        svg = console.export_svg(title=title)
    # The fonts of this machine: a picture is made without the network.
    return re.sub(r"@font-face \{.*?\n    \}", "", svg, flags=re.DOTALL)
