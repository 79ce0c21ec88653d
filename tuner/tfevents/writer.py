"""Writes the event file of one run; completed calls survive the end of the process.

Each record is written with a single unbuffered `write`, so a killed process loses nothing; there is
no fsync, because after a crash of the host the database still has every run and
`exporters.repair_run` writes what is missing.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tuner.roots import Folder, Place
from tuner.tfevents import events
from tuner.tfevents.events import Status
from tuner.tfevents.framing import frame

PREFIX = "events.out.tfevents."
#: Maximum number of files of one run: each session of a trial's code may leave a few.
MOST_FILES = 1000
#: In the year 2286: the time in a file's name has ten digits, so a later one would not sort last.
LATEST_S = 9_999_999_999


class EventFile:
    """An event file that is only appended to, in whole records.

    Attributes:
        name: of the file in its folder.

    Args:
        time_s: seconds since the epoch.

    Raises:
        OSError: the file cannot be created or written.
    """

    def __init__(self, folder: Folder, time_s: float) -> None:
        self.name, self._fd = _make_file(folder)
        self._size = 0
        self._torn = False
        try:
            self.append([events.version_event(time_s)])
        except OSError:
            self.remove(folder)
            raise

    def is_newest(self, folder: Folder) -> bool:
        """Return whether the run has this file, and none that TensorBoard reads after it."""
        found = folder.stat(self.name)
        if found is None or not os.path.samestat(found, os.fstat(self._fd)):
            return False
        return newest_event_file(folder) == self.name

    def append(self, payloads: Iterable[bytes]) -> None:
        """Append all records or none.

        Raises:
            OSError: the file system is full or gone; the file ends with its last complete record,
                and a later append may succeed.
        """
        if self._torn:
            self._mend()
        data = memoryview(b"".join(map(frame, payloads)))
        size = self._size + len(data)
        self._torn = True
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            with contextlib.suppress(OSError):
                self._mend()
            raise
        self._size, self._torn = size, False

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self, folder: Folder) -> None:
        """Close and delete the file: an empty one would only hide that the run has no events."""
        self.close()
        with contextlib.suppress(OSError):
            folder.remove(self.name)

    def _mend(self) -> None:
        """Cut off a torn record: TensorBoard stops reading there, so nothing may follow it."""
        os.ftruncate(self._fd, self._size)
        self._torn = False


class RunWriter:
    """Writes one attempt in TensorBoard's order: start, scalars, objective, end.

    Not thread-safe. Every method that writes may raise `OSError`; then nothing of that call is in
    the file, and later calls may succeed.

    Args:
        place: folder of the attempt; created with the first file, at the start.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._file: EventFile | None = None
        self._step = 0
        self._finished = False

    def start(self, hparams: Mapping[str, object], group: str, time_s: float | None = None) -> None:
        """Write the start record.

        Args:
            group: the run's own name: TensorBoard averages the sessions of a group into one row.
            time_s: seconds since the epoch; default: now.

        Raises:
            OSError: see the class.
            ValueError: the run has already been started.
        """
        if self._file is not None:
            raise ValueError(f"{self.place.path}: a run is started once")
        time_s = _or_now(time_s)
        with self.place.open(make=True) as folder:
            file = EventFile(folder, time_s)
            try:
                file.append([events.start_event(hparams, group=group, time_s=time_s)])
            except OSError:
                file.remove(folder)
                raise
        self._file = file

    def scalars(self, step: int, values: Mapping[str, float], time_s: float | None = None) -> None:
        """Write a point of each curve.

        Args:
            step: if a step occurs again, TensorBoard drops what the run held from that step on.
            values: numbers by name; NaN and infinity are allowed. The tag is the name, or
                "curve/<name>" for a reserved name (`events.curve_tag`).
            time_s: seconds since the epoch; default: now.

        Raises:
            OSError: see the class.
            ValueError: the run has not been started, or is closed.
        """
        points = {events.curve_tag(name): value for name, value in values.items()}
        self._open().append([events.scalars_event(points, step=step, time_s=_or_now(time_s))])
        self._step = step

    def finish(
        self,
        objective: float | Sequence[float] | None,
        status: Status,
        time_s: float | None = None,
    ) -> None:
        """Write the objective, if any, and the end record, together; idempotent.

        Args:
            objective: the value(s) told to the sampler, in the study's metric order; non-finite
                ones are left out, because they are outcomes but not scores. None if this attempt is
                not the outcome.
            time_s: seconds since the epoch; default: now.

        Raises:
            OSError: see the class.
            ValueError: the run has not been started, or is closed.
        """
        if self._finished:
            return
        self._open().append(
            finish_events(objective, status, step=self._step, time_s=_or_now(time_s))
        )
        self._finished = True

    def flush(self) -> None:
        """Do nothing: every record is in the file when its call returns."""

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> EventFile:
        if self._file is None:
            raise ValueError(f"{self.place.path}: the run has not been started")
        return self._file


def finish_events(
    objective: float | Sequence[float] | None, status: Status, *, step: int, time_s: float
) -> list[bytes]:
    """Return the events that end a run."""
    ending = [events.end_event(status, step=step, time_s=time_s)]
    values = objective_values(objective)
    if values:
        ending.insert(0, events.scalars_event(values, step=step, time_s=time_s))
    return ending


def objective_values(objective: float | Sequence[float] | None) -> dict[str, float]:
    """Return the finite objectives by tag."""
    if objective is None:
        return {}
    numbers = objective if isinstance(objective, Sequence) else (objective,)
    return {
        events.objective_tag(index): float(number)
        for index, number in enumerate(numbers)
        if math.isfinite(number)
    }


def event_files(folder: Folder, most: int = MOST_FILES) -> list[str]:
    """Return the names of a run's event files in the order in which TensorBoard reads them.

    Args:
        folder: of the run; it may contain any number of files.
        most: maximum number of names returned, from the first on.
    """
    return heapq.nsmallest(most, _names(folder))


def newest_event_file(folder: Folder) -> str | None:
    """Return the name of the event file that TensorBoard reads last; None if there is none."""
    return max(_names(folder), default=None, key=lambda name: (_file_time(name), name))


def _names(folder: Folder) -> Iterator[str]:
    for entry in folder.entries():
        if "tfevents" in entry.name and entry.kind == "file":
            yield entry.name


def _or_now(time_s: float | None) -> float:
    return time.time() if time_s is None else time_s


def _make_file(folder: Folder) -> tuple[str, int]:
    """Create an event file whose name sorts after the existing ones, whatever the clock says."""
    newest = newest_event_file(folder)
    time_s = max(int(time.time()), 0 if newest is None else _file_time(newest) + 1)
    for number in itertools.count():
        name = f"{PREFIX}{time_s:010d}.{os.uname().nodename}.{os.getpid()}.{number}"
        with contextlib.suppress(FileExistsError):
            return name, folder.create(name)
    raise AssertionError("unreachable: itertools.count() does not end")


def _file_time(name: str) -> int:
    """Return the time in a file's name, in seconds since the epoch; -1 if there is none."""
    text = name.removeprefix(PREFIX).split(".", 1)[0]
    time_s = int(text) if text.isdecimal() and len(text) <= 10 else -1
    return time_s if time_s < LATEST_S else -1
