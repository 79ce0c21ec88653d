"""A study's own run: the experiment record and the study's curves.

Only the coordinator writes it.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

from tuner.exporters.experiment import encode_experiment
from tuner.exporters.layout import encode_layout
from tuner.roots import Place
from tuner.space import SearchSpace
from tuner.tfevents import RunEvents, read_run
from tuner.tfevents.events import (
    as_float32,
    experiment_event,
    layout_event,
    restart_event,
    scalars_event,
    text_event,
)
from tuner.tfevents.writer import EventFile, event_files

STUDY_RUN = "_study"
#: Tags of the texts: the best trials, and what the study learned from the history.
LEADERBOARD_TAG = "study/leaderboard"
HISTORY_TAG = "study/history"
#: Below every trial number, so that no restart mark can discard the experiment record.
_EXPERIMENT_STEP = -1
#: Maximum size, in an event file, of the two points of a trial and a metric.
_POINTS_BYTES = 300
#: Bytes of event files that are read in any case.
_BESIDE_BYTES = 16 << 20

#: The finite objectives of one trial by index of the metric.
_Values = dict[int, float]


class StudyWriter:
    """Keeps the run of one study up to date.

    Trials end in a different order from their start, and TensorBoard drops what a curve held from a
    step on if that step comes again: so when a trial ends late, its successors have to be
    rewritten. Call `write` every few seconds rather than for each trial.

    Args:
        log_root: of all studies.
        study: "project/study".
        space: parameters to declare.
        metrics: name and goal ("maximize" or "minimize") of each metric, in the study's order.
        trials: approximate number of the study's trials.
        is_growing: whether parameters may have been added since the run was begun. TensorBoard
            keeps the first experiment record that it sees: in this case the run is started anew,
            and its content has to be added again.

    Raises:
        UnfitError: something else is in the place of the run's folder.
        OSError: an event file exists but cannot be read.
    """

    def __init__(
        self,
        log_root: Path,
        study: str,
        space: SearchSpace,
        metrics: Sequence[Mapping[str, str]],
        *,
        trials: int = 0,
        is_growing: bool = False,
    ) -> None:
        self._place = Place(log_root, study).below(STUDY_RUN)
        self._experiment = encode_experiment(study, space, metrics)
        self._maximize = [metric["goal"] == "maximize" for metric in metrics]
        # Each trial that ends late has its successors rewritten.
        self._most = 16 * trials * len(metrics) * _POINTS_BYTES + _BESIDE_BYTES
        self._layout = encode_layout(metrics)
        self._file: EventFile | None = None
        self._texts: dict[str, str] = {}
        self._written_texts: dict[str, str] = {}
        self._load()
        if is_growing and self._declared and not self._is_declared_so:
            self._remove()
            self._load()

    def add(self, trial: int, objective: float | Sequence[float]) -> None:
        """Add a complete trial; if it is already there with the same values, nothing changes.

        Args:
            trial: its number.
            objective: the value(s) told to the sampler, in metric order; a non-finite one makes no
                point.
        """
        numbers = objective if isinstance(objective, Sequence) else (objective,)
        values = {i: as_float32(number) for i, number in enumerate(numbers) if isfinite(number)}
        if values:
            self._take(trial, values)

    def _take(self, trial: int, values: _Values) -> None:
        if self._values.get(trial) == values:
            return
        at = bisect_left(self._trials, trial)
        if trial not in self._values:
            self._trials.insert(at, trial)
        self._values[trial] = values
        del self._best[at:]

    def explain(self, text: str, tag: str = HISTORY_TAG) -> None:
        """Set a Markdown text for TensorBoard's text tab; an identical text changes nothing.

        Args:
            text: TensorBoard keeps only its last ten versions, so it should not change too often.
            tag: that of the history, or of the leaderboard.
        """
        self._texts[tag] = text

    def write(self) -> bool:
        """Write what is new.

        Returns:
            Whether anything was written.

        Raises:
            OSError: the log root is full or cannot be written; call again when it can.
        """
        if not self._is_newest():
            self._start_over()
        time_s = time.time()
        clean = len(self._best)
        payloads = list(self._payloads(time_s))
        if not payloads:
            return False
        try:
            if self._file is None:
                with self._place.open(make=True) as folder:
                    self._file = EventFile(folder, time_s)
            self._file.append(payloads)
        except OSError:
            del self._best[clean:]
            raise
        self._declared = True
        self._written_texts = dict(self._texts)
        self._last_step = self._trials[-1] if self._trials else _EXPERIMENT_STEP
        return True

    def close(self) -> None:
        """Close the file; idempotent. A later writer detects what was not written."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _load(self) -> None:
        """Read what the event files contain."""
        found = read_run(self._place, check_payload=True, most=self._most)
        self._declared = found["experiment"] is not None
        self._is_declared_so = found["experiment"] == self._experiment
        self._values = _read_values(found, len(self._maximize))
        self._trials = sorted(self._values)
        #: Best values up to and including each trial, for the trials that are correct in the file.
        self._best: list[_Values] = []
        for trial in self._trials:
            self._extend_best(self._values[trial])
        self._last_step = self._trials[-1] if self._trials else _EXPERIMENT_STEP

    def _remove(self) -> None:
        """Remove the run's event files."""
        with self._place.open() as folder:
            for name in event_files(folder):
                folder.remove(name)

    def _is_newest(self) -> bool:
        """Whether appended data would be read: its file exists, and there is none after it."""
        if self._file is None:
            return True
        try:
            with self._place.open() as folder:
                return self._file.is_newest(folder)
        except FileNotFoundError:
            return False

    def _start_over(self) -> None:
        """Continue after a newer file, or where the old one has disappeared.

        Another server has been the coordinator meanwhile: TensorBoard reads no more of a file once
        there is a newer one. Or somebody has moved or removed the folder.
        """
        known = self._values
        self.close()
        self._load()
        for trial, values in known.items():
            self._take(trial, values)

    def _payloads(self, time_s: float) -> Iterator[bytes]:
        """Yield the missing events and extend the best values accordingly."""
        if not self._declared:
            yield experiment_event(self._experiment, step=_EXPERIMENT_STEP, time_s=time_s)
            yield layout_event(self._layout, step=_EXPERIMENT_STEP, time_s=time_s)
        missing = self._trials[len(self._best) :]
        is_again = bool(missing) and missing[0] <= self._last_step
        if is_again:
            # The slow loader drops data only at a restart mark, and takes a run's first one for its
            # start.
            yield from [restart_event(step=missing[0], time_s=time_s)] * 2
        for trial in missing:
            values = self._values[trial]
            best = self._extend_best(values)
            points = {_tag("objective", i): value for i, value in values.items()}
            points |= {_tag("best_so_far", i): value for i, value in best.items()}
            yield scalars_event(points, step=trial, time_s=time_s)
        step = self._trials[-1] if self._trials else 0
        for tag, text in self._texts.items():
            # Rewritten data may have begun before the text.
            if is_again or text != self._written_texts.get(tag):
                yield text_event(tag, text, step=step, time_s=time_s)

    def _extend_best(self, values: _Values) -> _Values:
        best = dict(self._best[-1]) if self._best else {}
        for i, value in values.items():
            so_far = best.get(i, value)
            best[i] = max(value, so_far) if self._maximize[i] else min(value, so_far)
        self._best.append(best)
        return best


def _tag(curve: str, index: int) -> str:
    return f"study/{curve}_{index}" if index else f"study/{curve}"


def _read_values(found: RunEvents, metrics: int) -> dict[int, _Values]:
    """Return the trials that TensorBoard sees in the run."""
    values: dict[int, _Values] = {}
    for index in range(metrics):
        series: dict[int, float] = {}
        for step, value, _ in found["scalars"].get(_tag("objective", index), ()):
            while series and next(reversed(series)) >= step:
                series.popitem()
            series[step] = value
        for step, value in series.items():
            values.setdefault(step, {})[index] = value
    return values
