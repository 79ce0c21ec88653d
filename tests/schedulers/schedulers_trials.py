"""Objectives for the tests of launched workers; imported in the processes of their trials."""

from __future__ import annotations

import json
import os
import time

from workers import Run

STEPS = 60


def count(run: Run) -> float:
    """Count to `STEPS`, twenty a second, from where an earlier attempt has stopped."""
    path = run.checkpoint_dir / "step"
    first = int(path.read_text()) + 1 if path.exists() else 1
    (run.logdir / "first").write_text(str(first))
    for step in range(first, STEPS + 1):
        path.write_text(str(step))
        run.report(step, run.params["x"] * step)
        time.sleep(0.05)
    return float(run.params["x"])


def wait(run: Run) -> float:
    """Report every tenth of a second until it is told to end."""
    for step in range(1, 6000):
        run.report(step, float(step))
        time.sleep(0.1)
    return 1.0


def note_devices(run: Run) -> float:
    """Note which GPUs it was given and which its process sees, and take a while."""
    seen = os.environ["CUDA_VISIBLE_DEVICES"]
    (run.logdir / "devices").write_text(json.dumps({"given": run.devices, "seen": seen}))
    time.sleep(1)
    return 1.0
