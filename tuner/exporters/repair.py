"""Writes what a killed worker or a full disk has kept out of an attempt's folder."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from tuner.roots import Folder, Place
from tuner.tfevents import Status, read_json, read_run, session_hparams
from tuner.tfevents.events import as_float32, curve_tag, scalars_event, start_event
from tuner.tfevents.json_file import dump_json
from tuner.tfevents.reader import RunEvents
from tuner.tfevents.writer import EventFile, finish_events, objective_values

#: Fields of `config.json` known only once a hypermodel's parameters were encountered.
_FOUND = ("params", "distributions", "proposal")
#: Trial outcomes that count as success, as far as TensorBoard can express it.
SUCCESSES = frozenset({"COMPLETE", "PRUNED"})

#: Maximum size of a point in an event file, excluding the name of its curve.
_POINT_BYTES = 120
#: Bytes of event files that are read in any case; checking takes 50 ns per byte.
_BESIDE_BYTES = 16 << 20


def repair_run(
    log_root: Path,
    config: Mapping[str, Any],
    record: Mapping[str, Any],
    *,
    metrics: Mapping[int, Mapping[str, float]] | None = None,
) -> bool:
    """Write what the folder of an ended attempt lacks; nothing if it is complete.

    Call it once the attempt's outcome can no longer change: TensorBoard keeps the first end record
    of a run, so that of a lost attempt must not be written while its late finish would still count.
    Readable files stay as they are, except for `trial.json`, which always becomes `record`, and for
    the parameters in `config.json` if the trial encountered some of them by itself, because they
    were unknown when the file was written. A damaged event file is kept, and a second one after it
    contains what is missing.

    Args:
        log_root: of all studies.
        config: content of `config.json`; `metrics`, a list of {name, goal}, names the curve.
        record: content of `trial.json`. The objective is written unless `is_outcome` is false.
        metrics: what was reported in addition to the curve, by step and tag; written with the
            missing points, and to no other file.

    Returns:
        Whether anything was written.

    Raises:
        UnfitError: something else is in the place of the folder, or of a file to be written; the
            rest of the log root may be fine.
        OSError: the log root is full or cannot be written; call again when it can.
        ValueError: `record["run_dir"]` does not lie below the log root.
    """
    place = run_place(log_root, record["run_dir"])
    with place.open(make=True) as folder:
        written = _repair_config(folder, config)
        if _repair_events(folder, config, record, metrics or {}):
            written = True
        content = dump_json(record)
        # Compared in the form in which it would be read: NaN became null, tuples lists.
        found = read_json(folder, "trial.json", most=_most(content))
        if found != json.loads(content):
            folder.replace("trial.json", content)
            written = True
    return written


def run_place(log_root: Path, run_dir: str) -> Place:
    """Return where the folder of a run lies.

    Raises:
        ValueError: it would not lie below the log root.
    """
    try:
        place = Place(log_root, run_dir)
    except ValueError:
        place = Place(log_root)
    if not PurePosixPath(place.relative).parts:
        raise ValueError(f"run_dir: {run_dir!r}: must be a path below the log root")
    return place


def _repair_config(folder: Folder, config: Mapping[str, Any]) -> bool:
    content = dump_json(config)
    found = read_json(folder, "config.json", most=_most(content))
    if isinstance(found, dict):
        # Without parameters that the trial encountered by itself, it was complete from the start.
        is_late = bool(config.get("proposal", {}).get("late"))
        late = {key: config[key] for key in _FOUND if is_late and key in config}
        if all(found.get(key) == value for key, value in json.loads(dump_json(late)).items()):
            return False
        # What only the worker knows is kept.
        content = dump_json({**found, **late})
    folder.replace("config.json", content)
    return True


def _most(content: bytes) -> int:
    """Return the maximum size of a file that should hold `content`; a larger one is not ours."""
    return 4 * len(content) + (64 << 10)


def _repair_events(
    folder: Folder,
    config: Mapping[str, Any],
    record: Mapping[str, Any],
    metrics: Mapping[int, Mapping[str, float]],
) -> bool:
    """Append what the event files lack, in one new file."""
    # Whatever TensorBoard's strict loader does not see counts as missing.
    found = read_run(folder, check_payload=True, most=_most_events(config, record, metrics))
    missing = []
    if found["hparams"] is None:
        hparams = session_hparams({**config, "params": record["params"]})
        started_s = _seconds(record.get("started"))
        missing.append(start_event(hparams, group=folder.path.name, time_s=started_s))
    missing += _missing_points(found, _metric_name(config), record, metrics)
    missing += _missing_ending(found, record)
    if not missing:
        return False
    file = EventFile(folder, _seconds(record.get("started")))
    try:
        file.append(missing)
    except OSError:
        # Without records it would only be one more file to read.
        file.remove(folder)
        raise
    finally:
        file.close()
    return True


def _most_events(
    config: Mapping[str, Any],
    record: Mapping[str, Any],
    metrics: Mapping[int, Mapping[str, float]],
) -> int:
    """Return how many bytes of event files to read: several times what they need to hold.

    A trial may have written other records, images or graphs, to the folder. What is not read counts
    as missing and is written again, which only costs space.
    """
    names = [_metric_name(config)] * len(record.get("curve") or ())
    names += [name for values in metrics.values() for name in values]
    curves = sum(len(name.encode()) + _POINT_BYTES for name in names)
    return 4 * (curves + len(dump_json(record["params"]))) + _BESIDE_BYTES


def _missing_points(
    found: RunEvents,
    name: str,
    record: Mapping[str, Any],
    metrics: Mapping[int, Mapping[str, float]],
) -> list[bytes]:
    """Return the curve from its first missing point on.

    TensorBoard drops what a run held from a step on if that step comes later in the file, so a gap
    in the middle is repaired by rewriting the rest.
    """
    curve = [(int(step), value, time_s) for step, value, time_s in record.get("curve") or ()]
    steps = {step for step, _, _ in found["scalars"].get(curve_tag(name), [])}
    hole = next((i for i, (step, _, _) in enumerate(curve) if step not in steps), len(curve))
    missing = []
    for step, value, time_s in curve[hole:]:
        values = {name: _number(value), **metrics.get(step, {})}
        points = {curve_tag(key): number for key, number in values.items()}
        missing.append(scalars_event(points, step=step, time_s=_seconds(time_s)))
    return missing


def _missing_ending(found: RunEvents, record: Mapping[str, Any]) -> list[bytes]:
    """Return the objective, unless the newest is right, and the end record, unless there is one."""
    time_s = _seconds(record.get("finished"))
    step = max((int(point[0]) for point in record.get("curve") or ()), default=0)
    objective = _objective(record)
    newest = {tag: points[-1][1] for tag, points in found["scalars"].items()}
    wrong = {
        tag: value
        for tag, value in objective_values(objective).items()
        if newest.get(tag) != as_float32(value)
    }
    missing = [scalars_event(wrong, step=step, time_s=time_s)] if wrong else []
    if found["status"] is None:
        succeeded = _is_outcome(record) and record["outcome"] in SUCCESSES
        status: Status = "success" if succeeded else "failure"
        missing += finish_events(None, status, step=step, time_s=time_s)
    return missing


def _is_outcome(record: Mapping[str, Any]) -> bool:
    return bool(record.get("is_outcome", True))


def _objective(record: Mapping[str, Any]) -> float | Sequence[float] | None:
    """Return the value told to the sampler; None if the attempt did not become the outcome."""
    if not _is_outcome(record):
        return None
    values = [_number(value) for value in record.get("values") or ()]
    if len(values) > 1:
        return values
    objective = record.get("objective")
    return None if objective is None else _number(objective)


def _metric_name(config: Mapping[str, Any]) -> str:
    """Return the name of the reported metric: the worker writes its curve under the same name."""
    metrics = config.get("metrics") or config.get("spec", {}).get("metrics") or ()
    return str(metrics[0]["name"]) if metrics else "value"


def _number(value: object) -> float:
    """Return a reported number; `None` represents a non-finite one in JSON files."""
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]


def _seconds(value: object) -> float:
    """Return a time, given in seconds or ISO 8601, in seconds; now if unknown."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    return time.time()
