"""Signals that end a command: Ctrl-C, a closed terminal, `kill`."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def interruptible(again: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Turn the first signal in the block into `KeyboardInterrupt`; every later one calls `again`.

    Even if the shell made the command ignore Ctrl-C, as it does for `&` in scripts.
    """
    seen = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            again()
        else:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
