"""Trials of any tool that wrote HParams, from the memory of TensorBoard's data provider.

A run with a session start is a trial. Scalars belong to the trial whose path is the longest prefix
of their run's (`trial-3/validation` to `trial-3`); those of a run above a trial belong to it if it
is the only one there: the trial of PyTorch's `add_hparams` is a run below its curves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter
from tensorboard.plugins.hparams import metadata

from tuner.board.best_trials.table.values import MOST_NAMES, short

#: Maximum number of trials of a log directory, of series of one trial, and of experiment records.
MOST_TRIALS, MOST_SERIES, MOST_EXPERIMENTS = 20_000, 500, 1_000
#: Number of runs per call, so that an answer stays below the maximum size of a message.
_RUNS_AT_ONCE = 2_000
#: More than TensorBoard keeps of a curve by default, 1 000.
_ALL_POINTS = 10_000
_SCALARS = "scalars"

#: A curve: its run and its tag.
Series = tuple[str, str]
_Tags = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Session:
    """A trial of another tool.

    Attributes:
        run: its path below the log directory.
        params: with HParams' types; every number is a float.
        status: HParams' status number; None: no end was recorded.
        started, ended: seconds since the epoch; None: not recorded.
        seen: when its last value was logged, in the same unit; 0: it has none.
        series: the location of each metric's curve; a sub-run's name precedes the tag.
        last: the last value of each metric; may not be a number.
    """

    run: str
    params: Mapping[str, bool | float | str]
    status: int | None = None
    started: float | None = None
    ended: float | None = None
    seen: float = 0.0
    series: Mapping[str, Series] = field(default_factory=dict)
    last: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A log's declaration: `record` is TensorBoard's `Experiment`, in the run `run`."""

    run: str
    record: Any


class Foreign:
    """What other tools logged. Mutable: `refresh` updates it, in one thread.

    Requests read `sessions` and `experiments`, which are replaced as a whole, and `read_curves`.

    Args:
        is_ours: whether a run is a trial of this service, which is skipped here.
    """

    def __init__(self, provider: Any, is_ours: Callable[[str], bool]) -> None:
        self.sessions: Mapping[str, Session] = {}
        self.experiments: Sequence[Experiment] = ()
        #: Changes whenever anything here changes.
        self.version = 0
        #: Number of trials found; of more than `MOST_TRIALS`, the first ones are kept.
        self.total = 0
        self._provider = provider
        self._is_ours = is_ours
        self._parsed: dict[tuple[str, str], tuple[bytes, Any]] = {}
        #: The last point of each series when its last value was read: step and time.
        self._marks: dict[Series, tuple[int, float]] = {}
        self._values: dict[Series, float] = {}

    def refresh(self) -> bool:
        """Ask the provider for changes; return whether there are any.

        Raises:
            Exception: whatever the provider raises.
        """
        runs = sorted(run.run_name for run in self._provider.list_runs(_CONTEXT, experiment_id=""))
        wanted = [run for run in runs if not self._is_ours(run)]
        records = dict(self._list("list_tensors", metadata.PLUGIN_NAME, wanted, len(runs)))
        sessions = self._sessions(records)
        series = dict(self._list("list_scalars", _SCALARS, wanted, len(runs))) if sessions else {}
        belongs = owned_series(series, sessions)
        self._read_last(belongs, series)
        found = {
            run: self._with_series(session, belongs.get(run, {}))
            for run, session in sessions.items()
        }
        experiments = [
            Experiment(run=run, record=record)
            for run, tags in sorted(records.items())
            if (record := self._parse(run, tags, metadata.EXPERIMENT_TAG)) is not None
        ][:MOST_EXPERIMENTS]
        if found == self.sessions and experiments == list(self.experiments):
            return False
        self.sessions, self.experiments = found, experiments
        self.version += 1
        return True

    def read_curves(self, wanted: Iterable[Series], points: int = _ALL_POINTS) -> dict[Series, Any]:
        """Return the points of some curves (`step`, `wall_time`, `value`), thinned to `points`.

        It reads any run in TensorBoard's memory, not only those in `sessions`.

        Raises:
            Exception: whatever the provider raises.
        """
        by_tag: dict[str, list[str]] = {}
        for run, tag in wanted:
            by_tag.setdefault(tag, []).append(run)
        found: dict[Series, Any] = {}
        for tag, runs in by_tag.items():
            for part in _parts(runs):
                answer = self._provider.read_scalars(
                    _CONTEXT,
                    experiment_id="",
                    plugin_name=_SCALARS,
                    downsample=points,
                    run_tag_filter=RunTagFilter(runs=part, tags=[tag]),
                )
                found |= {(run, tag): tags[tag] for run, tags in answer.items() if tag in tags}
        return found

    def list_tags(self, runs: Sequence[str]) -> dict[str, list[str]]:
        """Return the tags of the curves of some runs.

        Raises:
            Exception: whatever the provider raises.
        """
        found = self._list("list_scalars", _SCALARS, runs, len(runs) + 1)
        return {run: sorted(tags)[:MOST_SERIES] for run, tags in found}

    def _list(
        self, method: str, plugin: str, wanted: Sequence[str], of: int
    ) -> Iterator[tuple[str, _Tags]]:
        call = getattr(self._provider, method)
        everything = len(wanted) == of
        for part in [None] if everything else _parts(wanted):
            chosen = None if part is None else RunTagFilter(runs=part)
            found = call(
                _CONTEXT, experiment_id="", plugin_name=plugin, run_tag_filter=chosen
            )  # fmt: skip
            yield from found.items()

    def _sessions(self, records: Mapping[str, _Tags]) -> dict[str, Session]:
        found: dict[str, Session] = {}
        self.total = 0
        for run, tags in sorted(records.items()):
            start = self._parse(run, tags, metadata.SESSION_START_INFO_TAG)
            if start is None:
                continue
            self.total += 1
            if len(found) >= MOST_TRIALS:
                continue
            end = self._parse(run, tags, metadata.SESSION_END_INFO_TAG)
            found[run] = Session(
                run=run,
                params=start[0],
                started=start[1],
                status=None if end is None else end[0],
                ended=None if end is None else end[1],
            )
        self._parsed = {key: kept for key, kept in self._parsed.items() if key[0] in records}
        return found

    def _parse(self, run: str, tags: _Tags, tag: str) -> Any:
        """Return a record of a run; None if there is none, or it cannot be read."""
        if tag not in tags:
            return None
        content = tags[tag].plugin_content
        known = self._parsed.get((run, tag))
        if known is None or known[0] != content:
            try:
                known = (content, _READERS[tag](content))
            except Exception:  # noqa: BLE001 - protobuf's, of another version or damaged
                known = (content, None)
            self._parsed[run, tag] = known
        return known[1]

    def _read_last(
        self, belongs: Mapping[str, Mapping[str, Series]], series: Mapping[str, _Tags]
    ) -> None:
        """Read the last value of each series that has grown."""
        marks: dict[Series, tuple[int, float]] = {}
        for names in belongs.values():
            for run, tag in names.values():
                point = series[run][tag]
                marks[run, tag] = (point.max_step, point.max_wall_time)
        due = [one for one, mark in marks.items() if self._marks.get(one) != mark]
        for part in _parts(sorted({run for run, _ in due})):
            answer = self._provider.read_last_scalars(
                _CONTEXT,
                experiment_id="",
                plugin_name=_SCALARS,
                run_tag_filter=RunTagFilter(runs=part),
            )
            for run, tags in answer.items():
                for tag, point in tags.items():
                    self._values[run, tag] = float(point.value)
        self._marks = marks
        self._values = {one: value for one, value in self._values.items() if one in marks}

    def _with_series(self, session: Session, names: Mapping[str, Series]) -> Session:
        return replace(
            session,
            seen=max((self._marks[one][1] for one in names.values()), default=0.0),
            series=names,
            last={name: self._values[one] for name, one in names.items() if one in self._values},
        )


_CONTEXT = RequestContext()


def parent_of(run: str) -> str:
    """Return the parent run; that of the log directory itself is "."."""
    return run.rpartition("/")[0] or "."


def owned_series(
    series: Mapping[str, _Tags], sessions: Mapping[str, Session]
) -> dict[str, dict[str, Series]]:
    """Return which series belong to which trial, by the name of the metric."""
    below: dict[str, list[str]] = {}
    for run in sessions:
        if run != ".":
            below.setdefault(parent_of(run), []).append(run)
    found: dict[str, dict[str, Series]] = {}
    above: list[tuple[str, str]] = []
    for run, tags in series.items():
        owner = _owner(run, sessions)
        if owner is None:
            above += [(run, only) for only in below.get(run, ()) if len(below[run]) == 1]
            continue
        prefix = "" if run == owner else run.removeprefix(f"{owner}/") + "/"
        _add(found.setdefault(owner, {}), prefix, run, tags)
    for run, only in above:
        _add(found.setdefault(only, {}), "", run, series[run])
    return found


def _owner(run: str, sessions: Mapping[str, Session]) -> str | None:
    at = run
    while at not in sessions:
        if at == ".":
            return None
        at = parent_of(at)
    return at


def _add(names: dict[str, Series], prefix: str, run: str, tags: _Tags) -> None:
    for tag in sorted(tags):
        if len(names) >= MOST_SERIES:
            return
        names.setdefault(short(prefix + tag), (run, tag))


def _parts(runs: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(runs), _RUNS_AT_ONCE):
        yield runs[first : first + _RUNS_AT_ONCE]


def _read_start(content: bytes) -> tuple[Mapping[str, bool | float | str], float | None]:
    record = metadata.parse_session_start_info_plugin_data(content)
    params: dict[str, bool | float | str] = {}
    for name in sorted(record.hparams)[:MOST_NAMES]:
        value = record.hparams[name]
        kind = value.WhichOneof("kind")
        if kind == "string_value":
            params[short(name)] = short(value.string_value)
        elif kind in ("number_value", "bool_value"):
            params[short(name)] = getattr(value, kind)
    return params, record.start_time_secs or None


def _read_end(content: bytes) -> tuple[int, float | None]:
    record = metadata.parse_session_end_info_plugin_data(content)
    return record.status, record.end_time_secs or None


_READERS: Mapping[str, Callable[[bytes], Any]] = {
    metadata.SESSION_START_INFO_TAG: _read_start,
    metadata.SESSION_END_INFO_TAG: _read_end,
    metadata.EXPERIMENT_TAG: metadata.parse_experiment_plugin_data,
}
