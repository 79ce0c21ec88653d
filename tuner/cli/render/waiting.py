"""What a command is doing while nothing else changes on the screen."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from rich.status import Status

from tuner.cli.render.output import err, out

#: Seconds before anything is said.
_AFTER_S = 2.0


@contextlib.contextmanager
def waiting(text: str, *, is_shown: bool = True) -> Iterator[None]:
    """Say what takes long on the last line of standard error, from the third second on.

    The line disappears when the block ends. Nothing is said if the output goes to a pipe or a file.

    Args:
        text: what is being done, such as `starting the service`.
        is_shown: False with `--json`.
    """
    console = err()
    is_seen = console.is_interactive or console.is_dumb_terminal
    if not is_shown or not is_seen or not out().is_terminal:
        yield
        return
    line = Status(f"[quiet]{text} …[/]", console=console)
    over = threading.Event()

    def say() -> None:
        if over.wait(_AFTER_S):
            return
        if console.is_dumb_terminal:
            console.print(f"{text} …", markup=False)
            return
        with line:
            over.wait()

    speaker = threading.Thread(target=say, name="waiting", daemon=True)
    speaker.start()
    try:
        yield
    finally:
        over.set()
        speaker.join()
