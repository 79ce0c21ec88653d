"""Named points at which a test ends or halts this process, to prove that it is safe anywhere.

The environment variable `TUNER_FAULT` arms one of them: `NAME:kill` or `NAME:stop`, optionally with
`:N` for the N-th time that the process reaches it. Unarmed, a point costs one comparison.
"""

from __future__ import annotations

import itertools
import os
import signal

from tuner.errors import SetupError

#: Transactions of the coordinator, in the order of its round.
STEPS = (
    "lead",
    "replace-leader",
    "store-lesson",
    "collect",
    "set-state",
    "finish-study",
    "wait-reason",
    "expire",
    "judge",
    "propose",
    "release-lead",
)
#: Every point: before and after each commit of the coordinator, and each send of a wake-up.
POINTS = (
    *(f"{step}.{side}-commit" for step in STEPS for side in ("before", "after")),
    "send.before",
    "send.after",
)
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def _armed(text: str) -> tuple[str, signal.Signals | None, int]:
    """Return point, signal and count of a value of `TUNER_FAULT`.

    Raises:
        SetupError: it names no point or no action.
    """
    if not text:
        return "", None, 0
    name, _, rest = text.partition(":")
    action, _, count = rest.partition(":")
    if name not in POINTS or action not in _SIGNALS or not (count or "1").isdigit():
        raise SetupError(
            f"TUNER_FAULT: {text[:100]!r}: must be POINT:kill or POINT:stop, with :N for the N-th "
            f"time; points: {', '.join(POINTS)}"
        )
    return name, _SIGNALS[action], int(count or "1")


_point, _signal, _count = _armed(os.environ.get("TUNER_FAULT", ""))
_reached = itertools.count(1)


def arm(text: str) -> None:
    """Arm a point as `TUNER_FAULT` does, in a forked process; an empty text disarms.

    Raises:
        SetupError: the text names no point or no action.
    """
    global _point, _signal, _count, _reached
    _point, _signal, _count = _armed(text)
    _reached = itertools.count(1)


def reach(name: str) -> None:
    """Pass the point `name`; if it is armed and the count is reached, the process ends or halts."""
    if name == _point and _signal is not None and next(_reached) == _count:
        os.kill(os.getpid(), _signal)
