"""W&B's folders of runs, `wandb/offline-run-*` and `wandb/run-*`: all data is in `run-ID.wandb`."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from typing_extensions import override

from tuner.history.importers.folders import FileStamp, ScannedFolder, stamp_of
from tuner.history.importers.trackers.tracked import TrackedRun, TrackedStudy, flatten
from tuner.history.importers.trackers.wandb_records import (
    DamagedError,
    fields,
    first,
    inner,
    records,
    signed,
    text,
)
from tuner.history.importers.trackers.wandb_values import numbers
from tuner.history.store.cleaning import MAX_METRICS, MAX_PARAMETERS, clean_key, clean_text
from tuner.history.store.imported import Facts, ImportedRun, ImportKind, Options
from tuner.history.store.records import Rejection

END = ".wandb"
MAX_BYTES = 2 << 30
#: Number of records in which to look for the project: the run's own is one of the first.
_LOOKED_AT = 50
#: Fields of a `Record`.
_HISTORY, _SUMMARY, _CONFIG, _RUN, _EXIT = 2, 3, 5, 17, 18
#: Fields of an item: its key, or the parts of a nested key, and its value as JSON.
_KEY, _NESTED, _JSON = 1, 2, 16


class WandbRuns(TrackedStudy):
    """The runs of one project below one folder.

    Args:
        path: absolute path of the folder that contains the folders of the runs.
        project: empty if the runs name none.
    """

    kind: ImportKind = "wandb"

    def __init__(self, path: str, project: str) -> None:
        super().__init__(f"{path}#{project}" if project else path)
        self._runs: dict[str, tuple[ScannedFolder, FileStamp]] = {}
        self._damaged = 0

    def add(self, folder: ScannedFolder, file: FileStamp) -> None:
        """Add the log of a run to the study."""
        # `latest-run` is a link to one of the others.
        name = os.path.basename(os.path.realpath(folder.path))  # noqa: PTH119 - of a text
        self._runs[clean_key(name)] = (folder, file)

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        return {key: _stamp(file) for key, (_, file) in self._runs.items()}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        for key in keys:
            folder, file = self._runs[key]
            read = partial(self._read, key, folder, file)
            yield self.taken(f"{folder.path}/{file.name}", read, options)

    @override
    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        if self._damaged:
            self.notes = [f"{self._damaged} logs end in a damaged record"]
        return super().facts(options)

    def _read(self, key: str, folder: ScannedFolder, file: FileStamp) -> TrackedRun:
        if file.size > MAX_BYTES:
            raise ValueError(f"has {file.size} bytes, at most {MAX_BYTES} are read")
        log = _Log(TrackedRun(key=key, state="running", stamp=_stamp(file)))
        with folder.open(file.name) as opened:
            try:
                for record in records(opened):
                    log.take(record)
            except DamagedError:
                if not log.is_begun:
                    raise
                self._damaged += 1
        return log.finish()


class _Log:
    """A run while its log is read. Mutable: it processes one record after the other."""

    def __init__(self, run: TrackedRun) -> None:
        self.is_begun = False
        self._run = run
        self._config: dict[str, Any] = {}
        self._last: float | None = None
        self._has_ended = False
        self._takers: dict[int, Callable[[bytes], None]] = {
            _RUN: self._begin,
            _CONFIG: self._configure,
            _HISTORY: self._report,
            _SUMMARY: self._sum_up,
            _EXIT: self._end,
        }

    def take(self, record: bytes) -> None:
        """Process a record."""
        for number, value in fields(record):
            take = self._takers.get(number)
            if take is not None and isinstance(value, bytes):
                take(value)

    def finish(self) -> TrackedRun:
        """Return the run.

        Raises:
            ValueError: it has not ended.
        """
        if not self._has_ended:
            raise ValueError("has not ended: it runs still, or was killed")
        plain = {name: value for name, value in self._config.items() if name[:1] != "_"}
        self._run.params = flatten(plain, MAX_PARAMETERS)
        self._run.finished = self._last
        return self._run

    def _begin(self, message: bytes) -> None:
        self.is_begun = True
        for config in inner(message, 4):
            self._configure(config)
        for start in inner(message, 17):
            seconds = first(start, 1)
            self._run.started = float(seconds) if isinstance(seconds, int) else None

    def _configure(self, message: bytes) -> None:
        for name, value in _items(message, 1):
            self._set(name, value)
        for name, _ in _items(message, 2):
            self._config.pop(name[0], None)

    def _set(self, name: tuple[str, ...], value: Any) -> None:
        at = self._config
        for part in name[:-1]:
            found = at.setdefault(part, {})
            at = found if isinstance(found, dict) else {}
        if len(at) < MAX_PARAMETERS:
            at[name[-1]] = value

    def _report(self, message: bytes) -> None:
        step: int | None = None
        for item in inner(message, 2):
            number = first(item, 1)
            step = signed(number) if isinstance(number, int) else 0
        found = [*_items(message, 1)]
        for name, value in found:
            if name == ("_step",) and isinstance(value, int):
                step = value
            if name == ("_timestamp",) and isinstance(value, int | float):
                self._last = float(value)
        for name, value in found:
            if name[0][:1] != "_":
                for full, measured in numbers(".".join(name), value):
                    self._run.add_point(full, step, measured)

    def _sum_up(self, message: bytes) -> None:
        for name, value in _items(message, 1):
            if name[0][:1] != "_" and len(self._run.summary) < 2 * MAX_METRICS:
                self._run.summary |= dict(numbers(".".join(name), value))

    def _end(self, message: bytes) -> None:
        code = first(message, 1)
        self._has_ended = True
        failed = isinstance(code, int) and code != 0
        self._run.state = "failed" if failed else "finished"


def find_runs(folders: Iterable[ScannedFolder]) -> list[WandbRuns]:
    """Return the runs in some folders with a log, by parent folder and project."""
    studies: dict[tuple[str, str], WandbRuns] = {}
    for folder in folders:
        for file in folder.json_files:
            if file.name.endswith(END):
                project = _project(folder, file)
                place = (folder.parent, project)
                studies.setdefault(place, WandbRuns(*place)).add(folder, file)
    return list(studies.values())


def _project(folder: ScannedFolder, file: FileStamp) -> str:
    try:
        with folder.open(file.name) as opened:
            for number, record in enumerate(records(opened)):
                for run in inner(record, _RUN):
                    found = first(run, 3)
                    return clean_text(text(found), 200) if found else ""
                if number >= _LOOKED_AT:
                    break
    except (OSError, DamagedError):
        pass  # said when the run is read
    return ""


def _stamp(file: FileStamp) -> str:
    return stamp_of((file.size, file.mtime_ns))


def _items(message: bytes, number: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the names and values of the items in a field."""
    for item in inner(message, number):
        key, nested, value = "", [], None
        for field, found in fields(item):
            if field == _KEY:
                key = text(found)
            elif field == _NESTED:
                nested.append(text(found))
            elif field == _JSON:
                value = _json(found)
            else:
                value = _typed(field, found, value)
        name = tuple(nested) or (key,)
        if name != ("",):
            yield name, value


def _json(found: int | bytes) -> Any:
    try:
        return json.loads(found) if isinstance(found, bytes) else None
    except (ValueError, RecursionError):
        return None


def _typed(field: int, found: int | bytes, value: Any) -> Any:
    """Return the value of an item that is not written as JSON, as in later releases."""
    if field == 4:
        return bool(found)
    if field == 5 and isinstance(found, int):
        return (found >> 1) ^ -(found & 1)  # zigzag
    if field == 6 and isinstance(found, bytes) and len(found) == 8:
        return struct.unpack("<d", found)[0]
    return value
