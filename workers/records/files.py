"""The files that an attempt leaves in its folder: config.json, events, output.log, trial.json.

A disk that fills up while a trial runs costs the files, not the trial: the coordinator writes what
is missing from the database.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.protocol import MAX_FOUND, Assignment, Finished, Found, decode_number
from tuner.roots import Folder, Place
from tuner.tfevents import RunWriter, session_hparams, write_json
from workers.objective.finding import HYPERMODEL

logger = logging.getLogger(__name__)

MAX_OUTPUT_BYTES = 10 * 1024 * 1024
ROTATE_EVERY_S = 1.0
#: Maximum size of the kept end of output that is cut off: copying takes time, during which the
#: worker sends no beats.
MOST_KEPT_BYTES = 32 << 20

#: The trial's output, the part that was cut off before, and the number of bytes dropped.
OUTPUT = "output.log"
_KEPT, _GONE = f"{OUTPUT}.1", f"{OUTPUT}.gone"

#: Larger than what a file system stores inside a directory entry, so that blocks are allocated.
_PROBE_BYTES = 65536


def probe(root: Path) -> None:
    """Check that a root accepts a small file.

    Raises:
        OSError: it is full, read-only or missing; names the folder.
    """
    name = f".tuner-probe-{os.urandom(8).hex()}"
    try:
        with Place(root).open() as folder, os.fdopen(folder.create(name), "wb", 0) as file:
            folder.remove(name)
            if file.write(bytes(_PROBE_BYTES)) < _PROBE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as exc:
        raise OSError(exc.errno, f"cannot be written: {exc.strerror}", str(root)) from exc


class AttemptFiles:
    """The folder of one attempt. Mutable: after an error it writes no more curves.

    Args:
        log_root: that of this host.
        assignment: determines the folder and the predecessor's curve.
    """

    def __init__(self, log_root: Path, assignment: Assignment) -> None:
        self.place = Place(log_root, assignment.run_dir)
        self._assignment = assignment
        self._writer = RunWriter(self.place)
        self._is_open = False
        self._config: dict[str, Any] = {}
        self._time_s = 0.0
        #: For a hypermodel, it waits for the parameters that the model names before it trains.
        self._is_started = False
        self._found: dict[str, Found] = {}
        self._has_curve = False
        self._is_broken = False
        self._looked_at = time.monotonic()
        #: Number of bytes of output that were dropped.
        self._gone = 0

    def open(self, config: Mapping[str, Any], time_s: float) -> None:
        """Write config.json and the start record; for a hypermodel only config.json.

        Raises:
            OSError: the log root is full or not writable.
        """
        write_json(self.place, "config.json", config)
        self._config, self._time_s = dict(config), time_s
        if not self._assignment.objective.startswith(HYPERMODEL):
            self._start()
        self._is_open = True

    def add_found(self, found: Sequence[Found]) -> None:
        """Add what a hypermodel uses in addition to the trial's parameters; rewrites config.json.

        TensorBoard reads the start record only once: what comes later is not in its table.
        """
        for item in found:
            if item.value is not None and len(self._found) < MAX_FOUND:
                self._found[item.name] = item
        late = {name: item.value for name, item in self._found.items()}
        # The given parameters take precedence, and come first.
        params = {**self._assignment.params, **late, **self._assignment.params}
        if params != self._config.get("params"):
            self._config["params"] = params
            with self._tolerating("config.json"):
                write_json(self.place, "config.json", self._config)

    def _start(self) -> None:
        """Write the start record, unless it exists.

        Raises:
            OSError: the log root is full or not writable.
        """
        if self._is_started:
            return
        spec = self._config.get("spec", {})
        found = {name: item.definition for name, item in self._found.items()}
        space = {**found, **spec.get("search_space", {})}
        params = self._config.get("params", self._assignment.params)
        hparams = session_hparams({"spec": {"search_space": space}, "params": params})
        self._writer.start(hparams, self.place.name, self._time_s)
        self._is_started = True

    def add_point(
        self, step: int, value: float, metrics: Mapping[str, float], time_s: float
    ) -> None:
        """Write one point of each curve; before the first one, the predecessor's points."""
        if not self._has_curve:
            self._has_curve = True
            for point in self._assignment.curve:
                if point.step < step:
                    number = decode_number(point.value)
                    self._scalars(point.step, self._tags(number, point.metrics), time_s)
        self._scalars(step, self._tags(value, metrics), time_s)

    def finish(self, finished: Finished) -> None:
        """Write trial.json, the objective if this attempt is the outcome, and the end record."""
        record = finished.record
        objective = _objective(record) if finished.is_outcome else None
        is_success = finished.is_outcome and record.get("outcome") in ("COMPLETE", "PRUNED")
        # For an attempt that was not started, the coordinator writes the events.
        if self._is_open:
            with self._tolerating("the end of the run"):
                self._start()
                self._writer.finish(objective, "success" if is_success else "failure")
        with self._tolerating("trial.json"):
            write_json(self.place, "trial.json", record)

    def rotate_output(self) -> None:
        """Move a large output.log to output.log.1; the trial continues to write to the first.

        The previous content of output.log.1 is lost: output.log.gone counts it.
        """
        now = time.monotonic()
        if now - self._looked_at < ROTATE_EVERY_S:
            return
        self._looked_at = now
        # A file that is not ours is left alone: what the trial does with its own output is its own
        # affair.
        with contextlib.suppress(OSError), self.place.open() as folder:
            self._cut(folder)

    def _cut(self, folder: Folder) -> None:
        """Cut output.log if it is large.

        Raises:
            OSError: something else has the name of one of these files, or the disk is full.
        """
        found = folder.stat(OUTPUT)
        if found is None or found.st_size <= MAX_OUTPUT_BYTES:
            return
        with folder.open_file(OUTPUT) as file, os.fdopen(folder.append(OUTPUT), "ab", 0) as end:
            if not os.path.samestat(os.fstat(file.fileno()), os.fstat(end.fileno())):
                return
            kept = lost = 0
            # The trial holds the file open, so it is copied and truncated rather than renamed.
            try:
                lost = _size(folder.stat(_KEPT))
                folder.remove(_KEPT)
                file.seek(max(0, found.st_size - MOST_KEPT_BYTES))
                with os.fdopen(folder.create(_KEPT), "wb", 0) as copy:
                    # No further than this: the trial continues to print.
                    copy.write(file.read(MOST_KEPT_BYTES))
            finally:
                kept = _size(folder.stat(_KEPT))
                cut = os.fstat(end.fileno()).st_size
                os.ftruncate(end.fileno(), 0)
                # On a full disk, less is kept than was cut off.
                self._gone += lost + max(0, cut - kept)
                folder.replace(_GONE, f"{self._gone}\n".encode())

    def note(self, text: str) -> None:
        """Append a line from the worker to the trial's output."""
        with (
            contextlib.suppress(OSError),
            self.place.open() as folder,
            os.fdopen(folder.append(OUTPUT), "ab", 0) as file,
        ):
            file.write(f"tuner: {text}\n".encode())

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()

    def _scalars(self, step: int, values: Mapping[str, float], time_s: float) -> None:
        if not self._is_broken:
            with self._tolerating("a point"):
                self._start()
                self._writer.scalars(step, values, time_s)

    def _tags(self, value: float, metrics: Mapping[str, float]) -> dict[str, float]:
        return {self._assignment.metrics[0]["name"]: value, **metrics}

    @contextlib.contextmanager
    def _tolerating(self, what: str) -> Any:
        try:
            yield
        except (OSError, ValueError) as exc:
            # A curve with a gap would look complete; the coordinator rewrites it from the database.
            self._is_broken = True
            logger.warning(
                "log root not writable, the coordinator will repair the run",
                extra={"what": what, "run_dir": self._assignment.run_dir, "reason": str(exc)},
            )


def _size(found: os.stat_result | None) -> int:
    """Return how many bytes of output a file holds; 0 if it is not a regular file."""
    return found.st_size if found is not None and stat.S_ISREG(found.st_mode) else 0


def _objective(record: Mapping[str, Any]) -> float | Sequence[float] | None:
    """Return the told value(s), which a record holds as numbers or not at all."""
    values = record.get("values")
    if isinstance(values, list) and len(values) > 1:
        return [v if isinstance(v, int | float) else math.nan for v in values]
    objective = record.get("objective")
    return float(objective) if isinstance(objective, int | float) else None
