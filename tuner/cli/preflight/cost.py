"""The cost of a budget, from the time of a training step: an estimate with its basis."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from tuner.cli.render.output import duration
from tuner.documents.document import JsonObject
from tuner.errors import SpecError
from tuner.local.fleets.devices import default_workers
from tuner.spec import StudySpec

HOUR_S = 3600.0


def estimate_cost(
    spec: StudySpec, timed: Sequence[JsonObject], trial: JsonObject
) -> JsonObject | None:
    """Return `{trial_s, trials, workers, hours, gpu_hours, basis}`; None if nothing was timed.

    Args:
        timed: measurements for each configuration: `build_s`, `first_s`, `step_s`, `steps` and
            `epochs`, or `whole_s`.
        trial: the trial of `tuner check`: if it ended without a report, it was a whole one.
    """
    length = _by_steps(timed) or _by_trial(trial)
    if length is None:
        return None
    trial_s, basis = length
    limit = spec.trial.timeout
    if limit is not None and trial_s > limit:
        trial_s, basis = limit, f"{basis}; trial.timeout ends it after {duration(limit)}"
    workers = _workers(spec)
    trials = spec.budget.trials
    if trials is None and spec.budget.hours is None:
        return None
    hours = None if trials is None else trials * trial_s / workers / HOUR_S
    if spec.budget.hours is not None and (hours is None or hours > spec.budget.hours):
        hours = spec.budget.hours
        trials = int(hours * HOUR_S * workers / trial_s)
        basis += f"; budget.hours ends the study after about {trials} trials"
    total_s = (trials or 0) * trial_s
    return {
        "trial_s": round(trial_s, 3),
        "trials": trials,
        "workers": workers,
        "hours": round(total_s / workers / HOUR_S, 4),
        "gpu_hours": round(total_s * spec.trial.gpus / HOUR_S, 4),
        "basis": basis,
    }


def _by_steps(timed: Sequence[JsonObject]) -> tuple[float, str] | None:
    whole = [row for row in timed if all(row.get(k) for k in ("step_s", "steps", "epochs"))]
    if not whole:
        return _by_training(timed)
    lengths = [
        row.get("build_s", 0.0)
        + row.get("first_s", 0.0)
        + row["step_s"] * row["steps"] * row["epochs"]
        for row in whole
    ]
    middle = whole[lengths.index(statistics.median_low(lengths))]
    count = f"{len(whole)} configuration{'' if len(whole) == 1 else 's'}"
    return statistics.median(lengths), (
        f"{step_text(middle['step_s'])} a step, {middle['steps']} steps an epoch, "
        f"{middle['epochs']} epochs: the median of {count} on this machine; "
        f"with the build and the first step, without imports, validation and pruning"
    )


def _by_training(timed: Sequence[JsonObject]) -> tuple[float, str] | None:
    lengths = [row["whole_s"] for row in timed if row.get("whole_s")]
    if not lengths:
        return None
    return lengths[0], "a whole training on this machine, whose fit passes no callbacks on"


def _by_trial(trial: Any) -> tuple[float, str] | None:
    if not trial or not trial["ok"] or trial["reported"] or not trial["seconds"]:
        return None
    return trial["seconds"], "the one trial above, on this machine, with its imports"


def _workers(spec: StudySpec) -> int:
    """Return how many workers `tuner run` would start here, or on a machine with the GPUs."""
    try:
        return default_workers(spec)
    except SpecError:
        return spec.parallel or 1


def step_text(seconds: float) -> str:
    """Return the time of a step in a suitable unit."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
