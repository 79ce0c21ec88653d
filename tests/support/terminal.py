"""A real pseudo-terminal, and what may stand on it."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import traceback
import unicodedata
from collections.abc import Mapping, Sequence
from fcntl import ioctl

from tests.support.patience import clock

#: Begins like a name and holds, raw, what no terminal may get from others: title, clipboard, clear
#: screen, colour, cursor, hidden text, C1, backspace, return, form feed, marks of direction and of
#: no width, separators; and what the markup of our own screens would take for an end.
HOSTILE = (
    "evil\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x1b\\\x1b[2J\x1b[35;46m\x1b[7A\x1b[8m\x9b31m\x85\x08\r\x0c"
    "\u202e\u2066\u200f\u061c\u200b\u2060\ufeff\xad\u2028\u2029\U000e0041[/end][link=x][bold]."
)
#: Said of a command that had to be killed.
ENDLESS = "(did not end)"
#: What rich writes by itself: colours, the cursor shown and hidden, up, and a line erased.
_OWN = re.compile(r"\x1b\[(?!35;46m|7A|8m|2J)(?:[\d;]*m|\?25[lh]|\d*A|\d?K)|\r")
_COLOUR = re.compile("\x1b\\[35;46m")
#: Cf, but seen: the Arabic signs that stand before a number.
_SEEN = set(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)


def steers(character: str) -> bool:
    """Whether a character steers a terminal or cannot be seen on it, by Python's own tables."""
    is_control = unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")
    return is_control and character not in _SEEN and character not in "\n\t"


def raw_marks(output: str, *, with_colours: bool = False) -> list[str]:
    """Return what of an output steers the terminal and is not rich's own.

    Args:
        output: of a command.
        with_colours: those of `HOSTILE` may stand in it, as in the log of a trial.
    """
    own = _COLOUR.sub("", output) if with_colours else output
    return sorted({f"U+{ord(c):04X}" for c in _OWN.sub("", own) if steers(c)})


def on_a_terminal(
    args: Sequence[str],
    environ: Mapping[str, str],
    *,
    typed: bytes = b"",
    width: int = 100,
    timeout_s: float = 30.0,
) -> tuple[int, str]:
    """Run a command of ours in a process of its own whose terminal is a pseudo-terminal.

    Returns:
        The exit code and everything that reached the terminal.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        _become(args, environ)
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    output = b""
    if typed:
        os.write(terminal, typed)
    deadline = clock() + timeout_s
    while select.select([terminal], [], [], max(0.0, deadline - clock()))[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        output += piece
    else:
        os.kill(pid, signal.SIGKILL)
        output += ENDLESS.encode()
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status, output.decode(errors="surrogateescape")


def _become(args: Sequence[str], environ: Mapping[str, str]) -> None:
    """In the forked child: be the program, on descriptors 0 to 2."""
    try:
        os.environ.clear()
        os.environ.update(environ)
        sys.argv = ["tuner", *args]
        sys.stdin, sys.stdout, sys.stderr = (
            open(0, closefd=False),  # noqa: SIM115 - descriptors have no path
            open(1, "w", closefd=False),  # noqa: SIM115
            open(2, "w", closefd=False),  # noqa: SIM115
        )
        from tuner.cli.main import main
        from tuner.cli.render import output

        output.out.cache_clear()
        output.err.cache_clear()
        main(list(args))
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:  # noqa: BLE001 - the test shows it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(70)
