"""Writes the event file of one run; what a call has returned from survives the end of the process.

Records go to the file with one `write` each and without a buffer, so a killed process loses
nothing; there is no fsync, because after a crash of the host the database still knows every run and
`exporters.repair_run` writes what is missing.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tuner.tfevents import events
from tuner.tfevents.events import Status
from tuner.tfevents.framing import frame

PREFIX = "events.out.tfevents."


class EventFile:
    """An event file that is only ever appended to, with whole records.

    Args:
        folder: of the run; made when missing.
        time_s: seconds since the epoch.

    Raises:
        OSError: the folder or the file cannot be made or written.
    """

    def __init__(self, folder: Path, time_s: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._fd = _make_file(folder)
        self._size = 0
        self._torn = False
        try:
            self.append([events.version_event(time_s)])
        except OSError:
            self.remove()
            raise

    def append(self, payloads: Iterable[bytes]) -> None:
        """Append all records or none.

        Raises:
            OSError: the file system is full or gone; the file ends with its last whole record, and
                a later append may succeed.
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
        """Close the file; again has no effect."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Close and delete the file: one without records would only hide that the run has none."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _mend(self) -> None:
        """Cut off a torn record: TensorBoard stops at it for good, so none may follow it."""
        os.ftruncate(self._fd, self._size)
        self._torn = False


class RunWriter:
    """Writes one attempt as TensorBoard wants it: start, scalars, objective, end.

    Not for several threads. Every method that writes may raise `OSError`; nothing of that call is
    then in the file, and later calls may succeed.

    Args:
        run_dir: folder of the attempt; made at the start, and no file before.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._file: EventFile | None = None
        self._step = 0
        self._finished = False

    def start(self, hparams: Mapping[str, object], group: str, time_s: float | None = None) -> None:
        """Write the start record.

        Args:
            hparams: the trial's parameters.
            group: the run's own name: sessions of one group are averaged into one row.
            time_s: seconds since the epoch; default now.

        Raises:
            OSError: see the class.
            ValueError: the run has been started already.
        """
        if self._file is not None:
            raise ValueError(f"{self.run_dir}: a run is started once")
        time_s = _or_now(time_s)
        file = EventFile(self.run_dir, time_s)
        try:
            file.append([events.start_event(hparams, group=group, time_s=time_s)])
        except OSError:
            file.remove()
            raise
        self._file = file

    def scalars(self, step: int, values: Mapping[str, float], time_s: float | None = None) -> None:
        """Write a point of each curve.

        Args:
            step: TensorBoard drops what a run held from a step on when the step comes again.
            values: number by name; NaN and infinity are allowed. The tag is the name, or
                "curve/<name>" for one that is reserved (`events.curve_tag`).
            time_s: seconds since the epoch; default now.

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
        """Write the objective, if any, and the end record, together; again has no effect.

        Args:
            objective: the value(s) told to the sampler, in the study's metric order; non-finite
                ones are left out, because they are outcomes and never scores. None when this
                attempt is not the outcome.
            status: of the session.
            time_s: seconds since the epoch; default now.

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
        """Close the file; again has no effect."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> EventFile:
        if self._file is None:
            raise ValueError(f"{self.run_dir}: the run has not been started")
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
    """Return the finite objectives by their tags."""
    if objective is None:
        return {}
    numbers = objective if isinstance(objective, Sequence) else (objective,)
    return {
        events.objective_tag(index): float(number)
        for index, number in enumerate(numbers)
        if math.isfinite(number)
    }


def event_files(run_dir: Path) -> list[Path]:
    """Return the event files of a run in the order in which TensorBoard reads them: by name."""
    return sorted(path for path in run_dir.glob("*tfevents*") if path.is_file())


def _or_now(time_s: float | None) -> float:
    return time.time() if time_s is None else time_s


def _make_file(folder: Path) -> tuple[Path, int]:
    """Make an event file whose name sorts behind those that are there, whatever the clock says."""
    newest = max((_file_time(path) for path in event_files(folder)), default=-1)
    time_s = max(int(time.time()), newest + 1)
    for number in itertools.count():
        path = folder / f"{PREFIX}{time_s:010d}.{os.uname().nodename}.{os.getpid()}.{number}"
        with contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            return path, os.open(path, flags, 0o666)
    raise AssertionError("unreachable: itertools.count() does not end")


def _file_time(path: Path) -> int:
    text = path.name.removeprefix(PREFIX).split(".", 1)[0]
    return int(text) if text.isdecimal() and len(text) <= 10 else -1
