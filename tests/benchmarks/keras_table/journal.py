"""The file in which runs are collected: one line of JSON per configuration and seed.

A line is written when the configuration was trained on every dataset, so that a table can be packed
at any time; a line that was cut off by the end of the process is as if it had never begun.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CURVES = ("loss", "val_loss", "val_error")


@dataclass(frozen=True, kw_only=True)
class Line:
    """All runs of one configuration with one seed."""

    seed: int
    configuration: int
    params: dict[str, Any]
    #: By dataset: the `CURVES` (NaN after a divergence) and `seconds`.
    runs: dict[str, dict[str, Any]]


def read(path: Path) -> dict[tuple[int, int], Line]:
    """Return the whole lines by (seed, configuration); nothing of a file that is not there."""
    lines: dict[tuple[int, int], Line] = {}
    if not path.exists():
        return lines
    for text in path.read_text().splitlines():
        try:
            data = json.loads(text)
        except json.JSONDecodeError:
            continue
        for run in data["runs"].values():
            run.update({name: [_number(value) for value in run[name]] for name in CURVES})
        lines[data["seed"], data["configuration"]] = Line(**data)
    return lines


def append(path: Path, line: Line) -> None:
    """Add a line at the end, on its own even after one that was cut off."""
    data = {
        "seed": line.seed,
        "configuration": line.configuration,
        "params": line.params,
        "runs": {name: _plain(run) for name, run in line.runs.items()},
    }
    cut = path.exists() and not path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        file.write(("\n" if cut else "") + json.dumps(data, allow_nan=False) + "\n")


def _plain(run: Mapping[str, Any]) -> dict[str, Any]:
    curves = {name: [_text(float(value)) for value in run[name]] for name in CURVES}
    return {**curves, "seconds": round(float(run["seconds"]), 4)}


def _text(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
