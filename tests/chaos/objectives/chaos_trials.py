"""Objectives of the fault suite: cheap, and what they return follows from the parameters alone.

Imported in the processes of the trials, and by the checker, which computes every value again.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers import Run

#: File that says how long a trial takes, seconds; it may change at any time.
PACE = "CHAOS_PACE"
PRUNED_STEPS = 4
SLICE_S = 0.05
#: What becomes of a trial of `fragile`, by its parameter `fate`; others are good.
FATES = {0: "nan", 1: "raises", 2: "memory", 3: "exits", 4: "killed", 5: "memory-once", 6: "step"}


def value(params: Mapping[str, Any]) -> float:
    """Return the objective of a configuration."""
    x, rate = float(params["x"]), float(params["rate"])
    value = x * (1.0 - x) + 0.125 * float(params["layers"]) - rate * rate
    if params["kind"] == "momentum":
        value += 0.25 * float(params["momentum"])
    return value


def curve(params: Mapping[str, Any], step: int) -> float:
    """Return what a configuration reports at a step."""
    return value(params) * step / (step + 1.0)


def plain(run: Run) -> float:
    """Report twice and return the objective."""
    for step in (1, 2):
        spend(0.5)
        run.report(step, curve(run.params, step), loss=1.0 / step)
    return value(run.params)


def silent(run: Run) -> float:
    """Report nothing."""
    spend(1.0)
    return value(run.params)


def quick(run: Run) -> float:
    """Take no time at all."""
    return value(run.params)


def prunable(run: Run) -> float:
    """Report often enough for a pruner to judge."""
    for step in range(1, PRUNED_STEPS + 1):
        spend(1.0 / PRUNED_STEPS)
        run.report(step, curve(run.params, step))
    return value(run.params)


def fragile(run: Run) -> float:
    """End as the parameter `fate` says."""
    run.report(1, curve(run.params, 1))
    spend(0.5)
    fate = FATES.get(run.params["fate"], "good")
    if fate == "nan":
        return float("nan")
    if fate == "raises":
        raise ValueError(f"no model for x = {run.params['x']}")
    if fate == "memory" or (fate == "memory-once" and run.attempt == 1):
        raise MemoryError("no room")
    if fate == "exits":
        os._exit(7)
    if fate == "step":
        run.report(int(time.time()), 0.5)
    if fate == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return value(run.params)


def spend(share: float) -> None:
    """Sleep for a share of what a trial takes; a change of the pace is seen at once."""
    started = time.monotonic()
    while (left := started + share * _pace() - time.monotonic()) > 0:
        # `time.sleep` fails under faketime, which mistakes its absolute time for a wrong one.
        select.select([], [], [], min(left, SLICE_S))


def _pace() -> float:
    try:
        return float(json.loads(Path(os.environ[PACE]).read_bytes()))
    except (KeyError, OSError, ValueError):
        return 0.0
