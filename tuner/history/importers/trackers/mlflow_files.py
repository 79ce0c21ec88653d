"""MLflow's file store: `mlruns/EXPERIMENT/RUN/` with `meta.yaml`, `params/`, `metrics/`, `tags/`.

Each parameter is a file with its value, each metric a file with a line for each report:
milliseconds, value, step. A `/` in a name is a folder.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from tuner.history.importers.folders import FileStamp, ScannedFolder, files_stamp, stamp_of
from tuner.history.importers.state_words import read_word
from tuner.history.importers.trackers.tracked import Points, TrackedRun, TrackedStudy, plain_text
from tuner.history.store.cleaning import MAX_METRICS, MAX_PARAMETERS, clean_key, clean_text
from tuner.history.store.imported import ImportedRun, ImportKind, Options
from tuner.history.store.records import Rejection
from tuner.roots import open_named
from tuner.spec.reading.yaml12 import plain_value

META = "meta.yaml"
#: MLflow's numbers of the states of runs (its `RunStatus`).
_FAILED, _KILLED = 4, 5
_STATES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", _FAILED: "FAILED", _KILLED: "KILLED"}
#: A tag from `tuner export mlflow`: "pruned", or why a run failed, for which MLflow has no states.
STATE_TAG = "tuner.state"
_MAX_META = 64 * 1024
_MAX_PARAM = 8 * 1024
_MAX_CURVE = 64 << 20
#: Maximum depth of folders in a metric's name.
_MAX_DEPTH = 6
_MAX_FOLDERS = 1000
_LINE = re.compile(r"([A-Za-z_]+): ?(.*)")


class MlflowFiles(TrackedStudy):
    """The runs of one experiment.

    Args:
        path: absolute path of its folder.
        name: the experiment's name, empty if its own file does not contain it.
        is_deleted: whether MLflow has moved it to its trash.
    """

    kind: ImportKind = "mlflow"

    def __init__(self, path: str, name: str, *, is_deleted: bool) -> None:
        super().__init__(f"{path}#{name}" if name else path)
        self._is_deleted = is_deleted
        self._runs: dict[str, ScannedFolder] = {}
        self._stamps: dict[str, str] = {}

    def add(self, run: ScannedFolder) -> None:
        """Add the folder of a run to the study."""
        self._runs[clean_key(run.name)] = run

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        self._stamps = {key: stamp(run) for key, run in self._runs.items()}
        return self._stamps

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        for key in keys:
            folder = self._runs[key]
            yield self.taken(folder.path, partial(self._read, key, folder), options)

    def _read(self, key: str, folder: ScannedFolder) -> TrackedRun:
        meta = read_meta(folder)
        if self._is_deleted or meta.get("lifecycle_stage") == "deleted":
            raise ValueError("was deleted in MLflow")
        run = TrackedRun(
            key=key,
            state=_state(folder.path, meta.get("status")),
            stamp=self._stamps[key],
            started=_seconds(meta.get("start_time")),
            finished=_seconds(meta.get("end_time")),
        )
        for file in _files(folder.path, "params", MAX_PARAMETERS):
            content = _content(folder.path, "params", file.name, _MAX_PARAM)
            run.params[file.name] = plain_text(content)
        for file in _files(folder.path, "metrics", MAX_METRICS):
            content = _content(folder.path, "metrics", file.name, _MAX_CURVE)
            for step, value in _points(content):
                run.add_point(file.name, step, value)
        return run


def find_experiments(folders: Iterable[ScannedFolder]) -> list[MlflowFiles]:
    """Return the experiments in some folders with `meta.yaml`, of runs or of experiments."""
    known = {folder.path: folder for folder in folders}
    studies: dict[str, MlflowFiles] = {}
    for folder in known.values():
        if is_run(folder):
            above = folder.parent
            if above not in studies:
                meta = _about(known.get(above))
                name = clean_text(str(meta.get("name") or ""), 200)
                is_deleted = meta.get("lifecycle_stage") == "deleted"
                studies[above] = MlflowFiles(above, name, is_deleted=is_deleted)
            studies[above].add(folder)
    return list(studies.values())


def is_run(folder: ScannedFolder) -> bool:
    """Whether a folder with `meta.yaml` is that of a run rather than of an experiment."""
    if any(Path(folder.path, name).is_dir() for name in ("metrics", "params")):
        return True
    about = _about(folder)
    # A run that has logged nothing may have lost its empty folders in a copy; an experiment has
    # tags.
    is_experiment = "artifact_location" in about
    return "run_id" in about or (not is_experiment and Path(folder.path, "tags").is_dir())


def _state(path: str, status: object) -> str:
    """Return the state of a run; an export of Tuner specifies it in a tag."""
    try:
        said = _content(path, "tags", STATE_TAG, _MAX_PARAM).strip()
    except OSError:
        said = ""
    if status in (_FAILED, _KILLED) and said:
        return said if read_word(said) is not None else "FAILED"
    return _STATES.get(status, str(status)) if isinstance(status, int) else str(status)


def _about(experiment: ScannedFolder | None) -> dict[str, object]:
    try:
        return {} if experiment is None else read_meta(experiment)
    except (OSError, ValueError):
        return {}


def stamp(run: ScannedFolder) -> str:
    """Return the stamp of a run's files."""
    files = [
        *_files(run.path, "metrics", MAX_METRICS),
        *_files(run.path, "params", MAX_PARAMETERS),
    ]
    return stamp_of((files_stamp([run]), [(f.name, f.size, f.mtime_ns) for f in files]))


def read_meta(folder: ScannedFolder) -> dict[str, object]:
    """Return the plain values of a `meta.yaml`, each of which is on a line of its own.

    Raises:
        ValueError: it is too large or not text.
        OSError: it cannot be read.
    """
    with folder.open(META) as file:
        content = file.read(_MAX_META + 1)
    if len(content) > _MAX_META:
        raise ValueError(f"{META} is larger than {_MAX_META // 1024} KiB")
    found: dict[str, object] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            text = match[2].strip()
            quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
            found[match[1]] = text[1:-1] if quoted else plain_value(text)
    if not found:
        raise ValueError(f"{META} is damaged")
    return found


def _files(path: str, part: str, most: int) -> list[FileStamp]:
    """Return the first `most` files below a folder of a run, with names joined by `/`."""
    found: list[FileStamp] = []
    waiting = [("", 0)]
    root = Path(path, part)
    seen = 0
    while waiting and len(found) < most and seen < _MAX_FOLDERS:
        inner, depth = waiting.pop()
        seen += 1
        try:
            with os.scandir(root / inner) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError:
            continue  # a run without any
        for entry in entries:
            name = f"{inner}/{entry.name}".lstrip("/")
            if entry.is_dir() and depth < _MAX_DEPTH:
                waiting.append((name, depth + 1))
            elif entry.is_file():
                status = entry.stat()
                found.append(FileStamp(name, status.st_size, status.st_mtime_ns))
    return sorted(found, key=lambda file: file.name)[:most]


def _content(path: str, part: str, name: str, most: int) -> str:
    with open_named(Path(path, part, name)) as file:
        return file.read(most).decode("utf-8", "replace")


def _points(content: str) -> Points:
    """Return the reports of a metric; an invalid line, such as one written in part, is left out."""
    points: Points = []
    for line in content.splitlines():
        parts = line.split(" ")
        try:
            value = float(parts[1])
            step = int(parts[2]) if len(parts) > 2 else len(points)
        except (ValueError, IndexError):
            continue
        points.append((step, value))
    return points


def _seconds(value: object) -> float | None:
    """Return a time in seconds; MLflow counts milliseconds."""
    is_time = isinstance(value, int | float) and math.isfinite(value)
    return float(value) / 1000 if is_time and isinstance(value, int | float) else None
