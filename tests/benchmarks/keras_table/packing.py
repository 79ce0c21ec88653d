"""From the collected runs to the file that is shipped."""

from __future__ import annotations

import io
import json
import platform
import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.keras_table import journal
from tests.benchmarks.keras_table.datasets import RECIPES, load_dataset
from tests.benchmarks.keras_table.space import SPACE
from tests.benchmarks.keras_table.table import CHANNELS, digest_of
from tests.benchmarks.machine import describe_machine

#: Bits of the fraction that are kept, of 23: values are right to 1 in 10 000, and zip finds more.
_FRACTION_BITS = 13
_PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "numpy", "scipy", "scikit-learn")


def pack(source: Path, target: Path) -> None:
    """Write the runs of `source`: of each seed the configurations from 0 on without a gap.

    The same runs give the same bytes, where they were trained: the versions that are installed are
    noted.

    Raises:
        ValueError: `source` has no configuration 0 with seed 0.
    """
    lines = journal.read(source)
    arrays: dict[str, NDArray[np.float32]] = {}
    seeds = 0
    while count := _without_gap(lines, seeds):
        arrays |= _arrays([lines[seeds, index] for index in range(count)], seeds)
        seeds += 1
    if not seeds:
        raise ValueError(f"{source}: no run of configuration 0 with seed 0: nothing to pack")
    trained = [lines[0, index].params for index in range(_without_gap(lines, 0))]
    changed = datetime.fromtimestamp(source.stat().st_mtime, UTC)
    about = {
        "space": SPACE.to_json(),
        "configurations": trained,
        "seeds": seeds,
        "tasks": [_task(name) for name in RECIPES],
        "made_with": _made_with() | {"finished": f"{changed:%Y-%m-%d}"},
        "digest": digest_of(arrays),
    }
    _write(target, {"about": np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays})


def _without_gap(lines: dict[tuple[int, int], journal.Line], seed: int) -> int:
    count = 0
    while (seed, count) in lines:
        count += 1
    return count


def _arrays(lines: list[journal.Line], seed: int) -> dict[str, NDArray[np.float32]]:
    """Return the channels, each (datasets, C, E) or, of seconds, (datasets, C)."""
    return {
        f"{channel}.{seed}": _short(
            np.array([[line.runs[name][channel] for line in lines] for name in RECIPES], np.float32)
        )
        for channel in CHANNELS
    }


def _short(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `values` rounded to `_FRACTION_BITS`; NaN and infinity stay."""
    dropped = 23 - _FRACTION_BITS
    bits = values.view(np.uint32)
    half = np.uint32(1 << (dropped - 1))
    mask = np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    return np.where(np.isfinite(values), ((bits + half) & mask).view(np.float32), values)


def _task(name: str) -> dict[str, Any]:
    dataset = load_dataset(name)
    return {
        "name": name,
        "about": dataset.about,
        "kind": dataset.kind,
        "features": dataset.features,
    }


def _made_with() -> dict[str, str]:
    noted = {"python": platform.python_version(), "cpu": str(describe_machine()["cpu"])}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            noted[name] = version(name)
    return noted


def _write(target: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write an npz whose bytes depend on the arrays alone; numpy's own has the time in it."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, values in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, values, allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), zipfile.ZIP_DEFLATED)
