"""KerasTuner's Hyperband: which trials of a project are one configuration, and how far each got.

Hyperband trains many configurations for a few epochs and continues the best of them, each time as a
new trial that loads the weights of the previous one (`tuner/trial_id`) and trains from its epochs
(`tuner/initial_epoch`) up to its own (`tuner/epochs`). Together they are one run with one curve. A
run that was never trained as long as the project allows (`max_epochs`) is a partial result, not a
final one: the best after two epochs are often not the best after ten.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.history.importers.folders import ScannedFolder
from tuner.history.importers.source import MAX_JSON_BYTES
from tuner.history.store.records import Goal

#: Prefix of KerasTuner's own entries among the parameters.
INTERNAL = "tuner/"
_EPOCHS, _BEFORE = "tuner/epochs", "tuner/trial_id"

Points = list[tuple[object, float]]


@dataclass(frozen=True, kw_only=True)
class HyperbandBrackets:
    """The configurations of a project that was searched by Hyperband.

    Attributes:
        members: the trials of each configuration, by the key of its first one, in the order in
            which they were trained.
        epochs: the epoch up to which each trial was trained, by its key.
        longest: number of epochs of a complete training; 0: the project was not searched by
            Hyperband.
        is_declared: whether the project states that; otherwise it is the longest of its trials.
    """

    members: Mapping[str, tuple[str, ...]]
    epochs: Mapping[str, int]
    longest: int
    is_declared: bool

    @property
    def copies(self) -> set[str]:
        """The keys of the trials that only continue an earlier one."""
        return {key for keys in self.members.values() for key in keys[1:]}


def read_brackets(trials: Mapping[str, ScannedFolder], max_epochs: object) -> HyperbandBrackets:
    """Return which trials of a project belong together.

    Args:
        trials: their folders, by key.
        max_epochs: the project's number of epochs of a complete training, if it states one.
    """
    names = {folder.name: key for key, folder in trials.items()}
    found = {key: _values(folder) for key, folder in trials.items()}
    epochs: dict[str, int] = {}
    before: dict[str, str] = {}
    for key, values in found.items():
        end = values.get(_EPOCHS)
        if not isinstance(end, int) or isinstance(end, bool) or end <= 0:
            continue
        epochs[key] = end
        known = names.get(f"trial_{values[_BEFORE]}") if values.get(_BEFORE) else None
        # In a project merged from others, its number may be that of another trial.
        if known is not None and known != key and _tuned(found[known]) == _tuned(values):
            before[key] = known
    members: dict[str, list[str]] = {}
    for key in sorted(trials, key=lambda key: (epochs.get(key, 0), key)):
        members.setdefault(_first(key, before), []).append(key)
    ordered = {root: (root, *(k for k in keys if k != root)) for root, keys in members.items()}
    declared = max_epochs if isinstance(max_epochs, int) and max_epochs > 0 else 0
    return HyperbandBrackets(
        members=ordered,
        epochs=epochs,
        longest=(declared or max(epochs.values())) if epochs else 0,
        is_declared=declared > 0,
    )


def stage_curve(points: Sequence[tuple[object, float]], goal: Goal | None, end: int) -> Points:
    """Return the curve of one trial, with completed epochs as steps.

    Args:
        points: as in the project: one for the best epoch, or one for each, from 0.
        goal: of the metric; without one the last value is the trial's result.
        end: epochs at the trial's end; there its value is its best, like KerasTuner's score.
    """
    finite = [value for _, value in points if math.isfinite(value)]
    if not finite:
        return []
    inner: Points = []
    if len(points) > 1:
        inner = [(step + 1, value) for step, value in points if isinstance(step, int)]
        inner = [(step, value) for step, value in inner if isinstance(step, int) and step < end]
    best = {"maximize": max, "minimize": min}.get(goal or "", lambda values: values[-1])
    return [*inner, (end, best(finite))]


def _first(key: str, before: Mapping[str, str]) -> str:
    """Return the first trial of a chain; a cycle, which no tool writes, may start anywhere."""
    seen = {key}
    while key in before and before[key] not in seen:
        key = before[key]
        seen.add(key)
    return key


def _tuned(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.startswith(INTERNAL)}


def _values(folder: ScannedFolder) -> dict[str, Any]:
    """Return the parameters of a Hyperband trial, empty for any other."""
    try:
        with folder.open("trial.json") as file:
            if os.fstat(file.fileno()).st_size > MAX_JSON_BYTES:
                return {}
            data = file.read(MAX_JSON_BYTES)
        # Most projects are not searched by Hyperband, and parsing takes ten times as long.
        if f'"{_EPOCHS}"'.encode() not in data:
            return {}
        values = json.loads(data)["hyperparameters"]["values"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}  # what is wrong with it is said when it is imported
    return values if isinstance(values, dict) else {}
