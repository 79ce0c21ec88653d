"""Reads the event files of one run, stopping where they are damaged instead of failing.

The files may come from other writers: scalars may be tensors or `simple_value`s, and a tag's
metadata may be present in its first record only.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypedDict

from tuner.roots import Folder, Place, UnfitError, opened
from tuner.tfevents import wire
from tuner.tfevents.framing import FRAME_BYTES, read_frames
from tuner.tfevents.tensors import read_tensor
from tuner.tfevents.writer import event_files

#: (step, value, seconds since the epoch)
ScalarPoint = tuple[int, float, float]
#: An event file opened at its beginning, and its path for messages.
EventSource = tuple[Path, io.BufferedReader]
HParam = bool | float | str | None

STATUSES: dict[int, Literal["unknown", "success", "failure", "running"]] = {
    0: "unknown",
    1: "success",
    2: "failure",
    3: "running",
}

#: More than any writer uses; without it, a record of a few megabytes could fill the memory.
_MOST_SUMMARIES = 1000
_MOST_HPARAMS = 50_000
#: Numbers of the fields that are read of a summary's value, a hyperparameter, an end record and a
#: plugin's data.
_VALUE_FIELDS = frozenset({1, 2, 8, 9})
_ENTRY_FIELDS = _END_FIELDS = _PLUGIN_FIELDS = frozenset({1, 2})


class RunEvents(TypedDict):
    """The contents of a run's event files; None for a record that does not exist."""

    hparams: dict[str, HParam] | None
    group: str | None
    start: float | None
    end: float | None
    status: Literal["unknown", "success", "failure", "running"] | None
    #: In the order of the files.
    scalars: dict[str, list[ScalarPoint]]
    #: An encoded `tensorboard.hparams.Experiment`.
    experiment: bytes | None


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A section of an event file: from a session's start to the next one, or to the file's end.

    What precedes the first session in a file is a segment without `hparams`.
    """

    path: Path
    events: RunEvents
    #: When its start was written, in seconds since the epoch; None if it has no start.
    written: float | None = None


def read_run(
    where: Folder | Place, *, check_payload: bool = False, most: int | None = None
) -> RunEvents:
    """Return the contents of a folder's event files, up to each one's first bad record.

    As in TensorBoard, the first HParams record of each kind counts. A missing folder is an empty
    run; anything named like an event file that is not one is ignored.

    Args:
        where: the folder; subfolders are other runs.
        check_payload: also stop at a wrong CRC of a payload, as TensorBoard's slow loader does.
        most: number of bytes of all files together after which reading stops.

    Raises:
        OSError: a file cannot be read.
    """
    try:
        with opened(where) as folder:
            return read_files(_open_files(folder), check_payload=check_payload, total=most)
    except FileNotFoundError:
        return no_events()


def read_files(
    files: Iterable[EventSource],
    *,
    check_payload: bool = False,
    most: int | None = None,
    total: int | None = None,
) -> RunEvents:
    """Return the contents of some event files of one run, as `read_run` does.

    Args:
        files: in the order in which they were written; the caller closes them.
        check_payload: see `read_run`.
        most: number of bytes of a file after which reading stops.
        total: number of bytes of all files together after which reading stops.

    Raises:
        OSError: a file cannot be read.
    """
    reader = _Reader()
    for _, file in files:
        limit = min((bound for bound in (most, total) if bound is not None), default=None)
        reader.read(read_frames(file, check_payload=check_payload, most=limit))
        if total is not None:
            total -= file.tell()
            if total <= 0:
                break
    return reader.run


def read_segments(
    files: Iterable[EventSource],
    *,
    damaged: Callable[[Path, int], None] = lambda _path, _offset: None,
    most: int | None = None,
) -> list[Segment]:
    """Return the contents of some event files, separated by file and by session.

    Args:
        files: of one folder, in the order in which they were written; see `read_files`.
        damaged: called for each file that could not be read to its end, with where reading stopped.
        most: see `read_files`.

    Raises:
        OSError: a file cannot be read.
    """
    found: list[Segment] = []
    reader = _Reader()
    for path, file in files:
        pieces = reader.split()
        stopped = partial(damaged, path)
        reader.read(read_frames(file, check_payload=False, damaged=stopped, most=most), stopped)
        found += [Segment(path=path, events=run, written=at) for run, at in pieces]
    return found


def _open_files(folder: Folder) -> Iterator[EventSource]:
    for name in event_files(folder):
        try:
            file = folder.open_file(name)
        except (FileNotFoundError, UnfitError):
            continue
        with file:
            yield folder.path / name, file


def no_events() -> RunEvents:
    """Return the contents of a run without any record."""
    return {
        "hparams": None,
        "group": None,
        "start": None,
        "end": None,
        "status": None,
        "scalars": {},
        "experiment": None,
    }


class _Reader:
    """Collects the events of one run; it remembers the plugin named in a tag's first record."""

    def __init__(self) -> None:
        self.run = no_events()
        #: The segments so far, each with the time of its start, if they are separated by session.
        self._pieces: list[tuple[RunEvents, float | None]] | None = None
        self._time_s = 0.0
        self._plugins: dict[str, str] = {}
        self._readers: dict[int, Callable[[bytes], None]] = {
            2: self._read_experiment,
            3: self._read_start,
            4: self._read_end,
        }

    def split(self) -> list[tuple[RunEvents, float | None]]:
        """Begin a new list of segments, which grows while a file is read; return it."""
        self.run = no_events()
        self._pieces = [(self.run, None)]
        return self._pieces

    def read(
        self, payloads: Iterator[bytes], damaged: Callable[[int], None] = lambda _at: None
    ) -> None:
        at = 0
        for payload in payloads:
            try:
                self._read_event(payload)
            except wire.WireError:
                damaged(at)
                return
            at += len(payload) + FRAME_BYTES

    def _read_event(self, payload: bytes) -> None:
        time_s, step, summaries = 0.0, 0, []
        for number, value in wire.read_fields(payload):
            if number == 1:
                time_s = wire.as_double(value)
            elif number == 2:
                step = wire.as_int(value)
            elif number == 5:
                summaries.append(wire.as_bytes(value))
                _check_number(summaries, _MOST_SUMMARIES)
        self._time_s = time_s
        for summary in summaries:
            for number, value in wire.read_fields(summary):
                if number == 1:
                    self._read_value(wire.as_bytes(value), step, time_s)

    def _read_value(self, data: bytes, step: int, time_s: float) -> None:
        fields = wire.read_known(data, _VALUE_FIELDS)
        tag = wire.as_text(fields.get(1, b""))
        plugin = self._plugins.get(tag)
        if plugin is None or plugin == "hparams":
            named, content = _read_metadata(wire.as_bytes(fields.get(9, b"")))
            plugin = self._plugins.setdefault(tag, named)
            if plugin == "hparams":
                self._read_hparams(content)
                return
        number = None
        if 2 in fields:
            number = wire.unpack("<f", wire.as_bytes(fields[2]))[0]
        elif 8 in fields and plugin == "scalars":
            number = read_tensor(wire.as_bytes(fields[8]))
        if number is not None:
            self.run["scalars"].setdefault(tag, []).append((step, number, time_s))

    def _read_hparams(self, content: bytes) -> None:
        for number, value in wire.read_fields(content):
            if number in self._readers:
                self._readers[number](wire.as_bytes(value))

    def _read_experiment(self, data: bytes) -> None:
        if self.run["experiment"] is None:
            self.run["experiment"] = data

    def _read_start(self, data: bytes) -> None:
        if self._pieces is not None:
            self.run = no_events()
            self._pieces.append((self.run, self._time_s))
        elif self.run["hparams"] is not None:
            return
        hparams: dict[str, HParam] = {}
        for number, value in wire.read_fields(data):
            if number == 1:
                entry = wire.read_known(wire.as_bytes(value), _ENTRY_FIELDS)
                name = wire.as_text(entry.get(1, b""))
                _check_number(hparams, _MOST_HPARAMS)
                hparams[name] = _read_hparam(wire.as_bytes(entry.get(2, b"")))
            elif number == 4:
                self.run["group"] = wire.as_text(value)
            elif number == 5:
                self.run["start"] = wire.as_double(value)
        self.run["hparams"] = hparams

    def _read_end(self, data: bytes) -> None:
        if self.run["status"] is not None:
            return
        fields = wire.read_known(data, _END_FIELDS)
        if 2 in fields:
            self.run["end"] = wire.as_double(fields[2])
        self.run["status"] = STATUSES.get(wire.as_int(fields.get(1, 0)), "unknown")


def _check_number(found: Sized, most: int) -> None:
    if len(found) > most:
        raise wire.WireError(f"more than {most} in one record")


def _read_metadata(data: bytes) -> tuple[str, bytes]:
    """Return the plugin's name and content."""
    plugin, content = "", b""
    for number, value in wire.read_fields(data):
        if number == 1:
            fields = wire.read_known(wire.as_bytes(value), _PLUGIN_FIELDS)
            plugin = wire.as_text(fields.get(1, b""))
            content = wire.as_bytes(fields.get(2, b""))
    return plugin, content


def _read_hparam(data: bytes) -> HParam:
    """Return a `google.protobuf.Value`; None for lists and structures, unused by HParams."""
    for number, value in wire.read_fields(data):
        if number == 2:
            return wire.as_double(value)
        if number == 3:
            return wire.as_text(value)
        if number == 4:
            return bool(wire.as_int(value))
    return None
