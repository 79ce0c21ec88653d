"""Neptune's exports: `<project>/<run>_part_<n>.parquet` from its exporter, one row per value.

The columns are `project_id`, `run_id`, `attribute_path`, `attribute_type`, `step` (a decimal with
six places), `timestamp` and one for each type of value (README of neptune-ai/neptune-exporter). An
attribute below `sys/` is Neptune's own; a `float_series` is a metric, any other number, text or
boolean a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from tuner.history.importers.folders import FileStamp, ScannedFolder, stamp_of
from tuner.history.importers.trackers.parquet_metadata import ParquetError, read_groups
from tuner.history.importers.trackers.parquet_pages import read_column
from tuner.history.importers.trackers.tracked import Points, TrackedRun, TrackedStudy
from tuner.history.matching.metric import is_metric_name
from tuner.history.store.cleaning import MAX_PARAMETERS, clean_key, clean_text
from tuner.history.store.imported import ImportedRun, ImportKind, Options
from tuner.history.store.records import Rejection

PART = re.compile(r"(.+)_part_(\d{1,6})\.parquet")
#: Maximum size of one part: the exporter starts a new one at 50 MB.
MAX_BYTES = 1 << 30

_PROJECT, _RUN, _PATH, _TYPE, _STEP = (
    *("project_id", "run_id", "attribute_path", "attribute_type"),
    "step",
)
_VALUES = {
    "float": "float_value",
    "int": "int_value",
    "string": "string_value",
    "bool": "bool_value",
    "datetime": "datetime_value",
    "float_series": "float_value",
}
_NEEDED = (_PROJECT, _RUN, _PATH, _TYPE, _STEP, *dict.fromkeys(_VALUES.values()))
_PLACES = 1_000_000
#: What Neptune writes itself, in addition to what is below `sys/`.
_OWN = ("monitoring/", "source_code/")
#: Where Neptune's integrations store what they log.
_METRICS, _PARAMETERS = "metrics/", "parameters/"
_CREATED, _CHANGED, _FAILED, _STATE = (
    *("sys/creation_time", "sys/modification_time", "sys/failed"),
    "sys/state",
)

Parts = list[tuple[ScannedFolder, FileStamp]]


class NeptuneRuns(TrackedStudy):
    """The runs of one project.

    Args:
        path: absolute path of the folder with its parts.
        project: Neptune's name for it; empty if its files do not contain it.
    """

    kind: ImportKind = "neptune"

    def __init__(self, path: str, project: str) -> None:
        super().__init__(f"{path}#{project}" if project else path)
        self._runs: dict[str, Parts] = {}

    def add(self, name: str, folder: ScannedFolder, file: FileStamp) -> None:
        """Add a part of a run to the study."""
        self._runs.setdefault(clean_key(name), []).append((folder, file))

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        return {key: _stamp(parts) for key, parts in self._runs.items()}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        for key in keys:
            parts = self._runs[key]
            where = f"{parts[0][0].path}/{parts[0][1].name}"
            yield self.taken(where, partial(_read, key, parts), options)


def find_projects(folders: Iterable[ScannedFolder]) -> list[NeptuneRuns]:
    """Return the projects in some folders with parts of runs."""
    studies: dict[str, NeptuneRuns] = {}
    for folder in folders:
        for file in folder.json_files:
            match = PART.fullmatch(file.name)
            if match is None:
                continue
            if folder.path not in studies:
                studies[folder.path] = NeptuneRuns(folder.path, _project(folder, file))
            studies[folder.path].add(match[1], folder, file)
    return list(studies.values())


def _project(folder: ScannedFolder, file: FileStamp) -> str:
    try:
        with folder.open(file.name) as opened:
            for group in read_groups(opened):
                if _PROJECT in group.columns:
                    found = read_column(opened, group.columns[_PROJECT])
                    return clean_text(_text(next(filter(None, found), b"")), 200)
    except (OSError, ParquetError):
        pass  # said when the run is read
    return ""


def _stamp(parts: Parts) -> str:
    return stamp_of((file.name, file.size, file.mtime_ns) for _, file in parts)


def _read(key: str, parts: Parts) -> TrackedRun:
    """Return a run.

    Raises:
        ValueError: why it cannot be used.
        OSError: it cannot be read.
    """
    run = TrackedRun(key=key, state="finished", stamp=_stamp(parts))
    about: dict[str, Any] = {}
    for folder, file in parts:
        if file.size > MAX_BYTES:
            raise ValueError(f"has {file.size} bytes, at most {MAX_BYTES} are read")
        with folder.open(file.name) as opened:
            for group in read_groups(opened):
                missing = [name for name in _NEEDED if name not in group.columns]
                if missing:
                    raise ValueError(f"is not a Neptune export: it has no column {missing[0]}")
                columns = [read_column(opened, group.columns[name]) for name in _NEEDED]
                for row in zip(*columns, strict=True):
                    _take(dict(zip(_NEEDED, row, strict=True)), run, about)
    run.points = {name: _settled(points) for name, points in run.points.items()}
    if about.get(_STATE) in ("Active", "active", "running"):
        run.state = "running"
    elif about.get(_FAILED) is True:
        run.state = "failed"
    run.started, run.finished = (_seconds(about.get(name)) for name in (_CREATED, _CHANGED))
    return run


def _take(row: Mapping[str, Any], run: TrackedRun, about: dict[str, Any]) -> None:
    path, kind = _text(row[_PATH]), _text(row[_TYPE])
    column = _VALUES.get(kind)
    if column is None:
        return  # a file, a set of tags, a histogram
    value = row[column]
    plain = _text(value) if isinstance(value, bytes) else value
    if path.startswith("sys/"):
        about[path] = plain
    elif path.startswith(_OWN):
        return
    elif kind == "float_series":
        run.add_point(path.removeprefix(_METRICS), _places(row[_STEP]), plain)
    elif kind == "float" and not path.startswith(_PARAMETERS) and is_metric_name(path):
        run.summary[path.removeprefix(_METRICS)] = plain
    elif kind != "datetime" and len(run.params) < MAX_PARAMETERS:
        run.params[path.removeprefix(_PARAMETERS).replace("/", ".")] = plain


def _places(value: object) -> int | None:
    """Return a step in millionths."""
    return int.from_bytes(value, "big", signed=True) if isinstance(value, bytes) else None


def _settled(points: Points) -> Points:
    """Return points with whole steps; if some are fractions, as of an epoch, numbered in order."""
    if all(step % _PLACES == 0 for step, _ in points):
        return [(step // _PLACES, value) for step, value in points]
    ordered = sorted(points, key=lambda point: point[0])
    return [(number, value) for number, (_, value) in enumerate(ordered)]


def _seconds(milliseconds: object) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int) else None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
