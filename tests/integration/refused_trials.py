"""Trials that say what nobody takes; imported in their own processes.

What `Run` refuses is said past it, into the channel to the worker, as user code could.
"""

from __future__ import annotations

import os
import time
from typing import Any

from tuner.protocol import MAX_NAME_CHARS, MAX_STEP
from workers import Run

#: Steps that the server takes from nobody.
STEPS = {
    "step zero": 0,
    "step below zero": -1,
    "step above the bound": MAX_STEP + 1,
    "step of 31 bits": 2**31,
    "step of 63 bits": 2**63,
    "step of a hundred digits": 10**100,
}
#: What `Run.report` refuses by itself, and what its error says.
CALLS: dict[str, tuple[str, Any]] = {
    "a time as step": ("neither a time nor an id", lambda run: run.report(int(time.time()), 0.5)),
    "a step above the bound": ("to 10000000, not 10000001", lambda r: r.report(MAX_STEP + 1, 0.5)),
    "a huge step": ("report: step must be", lambda run: run.report(10**5000, 0.5)),
    "a long name": (
        f"at most {MAX_NAME_CHARS}",
        lambda run: run.report(1, 0.5, **{"x" * (MAX_NAME_CHARS + 1): 1.0}),
    ),
    "megabytes of metrics": (
        "at most 2000000 in one report",
        lambda run: run.report(1, 0.5, **{f"{n:0250d}": 1.0 for n in range(8000)}),
    ),
    "more than a float": ("more than a 64-bit float", lambda run: run.report(1, 10**400)),
}
#: Ends that contradict the study or the bounds.
ENDS: dict[str, dict[str, Any]] = {
    "no value": {"values": []},
    "two values": {"values": [0.5, 0.5]},
    "a step with the end": {"values": [0.5]},
}
REPORTS = [f"reports {name}" for name in STEPS]
FINISHES = [f"ends with {name}" for name in ENDS]
REFUSED_BY_RUN = [f"calls with {name}" for name in CALLS]


def train(run: Run) -> float:
    """Do what the trial's configuration says."""
    verb, _, name = run.params["case"].replace(" with ", " ", 1).partition(" ")
    if verb == "calls":
        CALLS[name][1](run)
    if verb == "reports":
        _say(run, step=STEPS[name])
        while True:
            run.session.raise_if_stopped()
            time.sleep(0.05)
    if verb == "ends":
        _end(run, name)
    run.report(1, 0.5)
    return 0.5


def _say(run: Run, step: int, kind: str = "point", **more: Any) -> None:
    channel: Any = run.session._link._channel  # type: ignore[attr-defined]
    point = {"kind": kind, "step": step, "value": 0.5, "metrics": {}, "time": time.time()}
    channel.send({**point, **more})


def _end(run: Run, name: str) -> None:
    if name == "a step with the end":
        run.report(1, 0.5)
        # Within half a second after a report nothing is posted: it travels with the end.
        _say(run, step=MAX_STEP + 1)
    _say(run, step=0, kind="end", outcome="complete", **ENDS[name])
    os._exit(0)
