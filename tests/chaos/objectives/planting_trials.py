"""The objective of a study whose trials plant things; imported in their processes only.

One trial at a time takes an order, which says what it plants and where; without one it is good.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import chaos_trials  # type: ignore[import-not-found]  # beside this file, in the study's code
import planting  # type: ignore[import-not-found]

from workers import Run

#: Of the checkpoint that each of them writes.
STATE_BYTES = 1000
#: How often it looks for an order.
LOOKS = 10


def plants(run: Run) -> float:
    """Report, plant what is ordered, and return the objective all the same."""
    run.report(1, chaos_trials.curve(run.params, 1))
    with contextlib.suppress(OSError):
        (run.checkpoint_dir / "state.bin").write_bytes(b"s" * STATE_BYTES)
    for _ in range(LOOKS):
        chaos_trials.spend(1 / LOOKS)
        _plant(run)
    return float(chaos_trials.value(run.params))


def _plant(run: Run) -> None:
    order, taken = _take(run)
    if order:
        kind, _, place = order.partition("@")
        # Somebody else may be at the same place, or the log root is harmed at the moment.
        with contextlib.suppress(OSError):
            planting.PLANTS[kind](_target(run, place))
            taken.rename(taken.with_name(f"done-{taken.name}"))


def _take(run: Run) -> tuple[str, Path]:
    """Return the order that is due, "" without one, and the file that holds it now."""
    folder = Path(os.environ[planting.ORDERS])
    taken = folder / f"{run.trial}-{run.attempt}"
    try:
        (folder / "order").rename(taken)
        return taken.read_text(), taken
    except OSError:
        return "", taken


def _target(run: Run, place: str) -> Path:
    if place == "events":
        found = sorted(run.logdir.glob("events.out.tfevents.*"))
        return found[0] if found else run.logdir / "events.out.tfevents.1790000000.chaos.1.0.v2"
    folders = {
        "run": run.logdir,
        "study": run.logdir.parent,
        "_study": run.logdir.parent / "_study",
        "project": run.logdir.parent.parent,
    }
    if place in ("checkpoint", "checkpoints"):
        return run.checkpoint_dir if place == "checkpoint" else run.checkpoint_dir.parent
    return folders.get(place) or run.logdir / place
