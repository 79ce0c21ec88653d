"""KerasTuner's project folders: `oracle.json` with the space, and `trial.json` for each trial.

Unlike its logs they hold the full space, but neither times nor the name of the objective: that is
the metric whose value is the score. What Hyperband trained in several trials is one run
(`kerastuner/rungs.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from tuner.history.importers.declared import checked_space
from tuner.history.importers.folders import ScannedFolder, files_stamp, join
from tuner.history.importers.kerastuner.rungs import (
    INTERNAL,
    HyperbandBrackets,
    Points,
    read_brackets,
    stage_curve,
)
from tuner.history.importers.source import newer_stamp, read_object
from tuner.history.store.cleaning import (
    clean_curves,
    clean_key,
    clean_metrics,
    clean_params,
    finite,
)
from tuner.history.store.imported import Facts, ImportedRun, ImportKind, Options
from tuner.history.store.records import Goal, HistoricTrial, Rejection, State
from tuner.space import SearchSpace
from tuner.space.kerastuner import Defined, own_values, read_definitions
from tuner.space.value import Value

_STATES: dict[str, tuple[State, str | None]] = {
    "COMPLETED": ("complete", None),
    "INVALID": ("fail", None),
    "FAILED": ("fail", None),
}
_GOALS: dict[str, Goal] = {"max": "maximize", "min": "minimize"}


class KerasTunerStudy:
    """A KerasTuner project.

    Args:
        project: its folder, with `oracle.json`.
    """

    kind: ImportKind = "kerastuner"
    whole = False

    def __init__(self, project: ScannedFolder) -> None:
        self.locator = project.path
        self._project = project
        self._trials: dict[str, ScannedFolder] = {}
        self._goals: dict[str, Goal | None] = {}
        self._parameters: dict[str, None] = {}
        self._space: SearchSpace | None = None
        self._read_items: list[Defined] = []
        self._notes: list[str] | None = None

    def add(self, trial: ScannedFolder) -> None:
        """Add the folder of a trial to the study."""
        self._trials[clean_key(trial.name)] = trial

    @property
    def gone(self) -> set[str]:
        """See `FoundStudy`."""
        return self._brackets.copies

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        return {key: self._stamp(keys) for key, keys in self._brackets.members.items()}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        self._read_space()
        for key in keys:
            path = join(self._trials[key].path, "trial.json")
            try:
                yield self._read(key)
            except (ValueError, TypeError, KeyError, AttributeError) as exc:
                text = str(exc) if type(exc) is ValueError else "is not a trial of KerasTuner's"
                yield Rejection(path=path, reason=text)
            except OSError as exc:
                yield Rejection(path=path, reason=f"cannot be read: {exc.strerror or exc}")

    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        self._read_space()
        space = self._space
        return Facts(
            metrics={**self._goals, **{n: g for n, g in options.by_name.items() if g is not None}},
            parameters=sorted({*self._parameters, *(space.names if space else ())}),
            space=None if space is None else space.to_json(),
            constants={} if space is None else space.fixed_values,
            notes=[*(self._notes or []), *self._told()],
            options=options.to_json(),
        )

    @cached_property
    def _brackets(self) -> HyperbandBrackets:
        try:
            oracle = read_object(self._project, "oracle.json")
        except (OSError, ValueError):
            oracle = {}
        return read_brackets(self._trials, oracle.get("max_epochs"))

    def _stamp(self, keys: Iterable[str]) -> str:
        stamp = newer_stamp(files_stamp(self._trials[key] for key in keys)) + self._suffix
        found = self._brackets
        # Once there is a longer training, the others are incomplete.
        return stamp if found.is_declared or not found.longest else f"{stamp}+{found.longest}"

    @cached_property
    def _suffix(self) -> str:
        """The suffix of the stamp of a run that earlier releases read differently."""
        self._read_space()
        # Earlier releases used the first of several definitions of a name.
        is_new = any(item.source != item.parameter.name for item in self._read_items)
        return "+names" if is_new else ""

    def _told(self) -> list[str]:
        """Return notes on a Hyperband search."""
        found = self._brackets
        if not found.longest:
            return []
        ends = [max(found.epochs.get(k, 0) for k in keys) for keys in found.members.values()]
        short = sum(0 < end < found.longest for end in ends)
        notes = []
        if short:
            notes.append(
                f"Hyperband: {short} of {len(ends)} configurations were trained for fewer than "
                f"{found.longest} epochs and count as stopped there"
            )
        if found.copies:
            one = len(found.copies) == 1
            what = (
                "trial continues an earlier one and counts"
                if one
                else ("trials continue earlier ones and count")
            )
            notes.append(f"{len(found.copies)} {what} with {'it' if one else 'them'}")
        return notes

    def _read(self, key: str) -> ImportedRun:
        """Return a configuration; a `ValueError` says why it cannot be used."""
        first, *others = (self._load(member) for member in self._brackets.members[key])
        if isinstance(first, ValueError):
            raise first
        stages = [(key, first)]
        # If its continuation failed, it keeps its earlier result.
        stages += [
            (member, data)
            for member, data in zip(self._brackets.members[key][1:], others, strict=True)
            if not isinstance(data, ValueError) and data["status"] == "COMPLETED"
        ]
        state, cause = _STATES[first["status"]]
        metrics: dict[str, float] = {}
        curves: dict[str, Points] = {}
        end = 0
        for member, data in stages:
            end = self._brackets.epochs.get(member, 0)
            self._take(data, end, metrics, curves)
        if state == "complete" and not metrics:
            state, cause = "fail", "diverged"
        is_short = state == "complete" and 0 < end < self._brackets.longest
        params = self._params(first["hyperparameters"]["values"])
        self._parameters |= dict.fromkeys(params)
        least = 0 if is_short else 1
        return ImportedRun(
            trial=HistoricTrial(
                key=key,
                params=params,
                metrics=clean_metrics(metrics),
                curves={n: c for n, c in clean_curves(curves).items() if len(c) > least},
                state="pruned" if is_short else state,
                cause=cause,
            ),
            stamp=self._stamp(self._brackets.members[key]),
        )

    def _load(self, key: str) -> dict[str, Any] | ValueError:
        """Return a trial that has ended, or why it cannot be used."""
        try:
            data = read_object(self._trials[key], "trial.json")
        except ValueError as exc:
            return exc
        if "status" not in data:
            return ValueError("is not a trial of KerasTuner's")
        if str(data["status"]) not in _STATES:
            return ValueError(f"has not ended (status {str(data['status'])[:40]})")
        return data

    def _take(
        self, data: dict[str, Any], end: int, metrics: dict[str, float], curves: dict[str, Points]
    ) -> None:
        """Add what one trial measured; `end`: epochs at its end, 0 if unknown."""
        histories = data["metrics"]["metrics"]
        for name in _objective_first(histories, data.get("score")):
            goal = _GOALS.get(histories[name].get("direction"))
            points = _points(histories[name])
            self._goals.setdefault(name, goal)
            curves.setdefault(name, []).extend(stage_curve(points, goal, end) if end else points)
            finished = [value for _, value in points if finite(value) is not None]
            if finished:
                best = {"maximize": max, "minimize": min}.get(goal or "", lambda v: v[-1])
                metrics[name] = best(finished)

    def _params(self, values: Mapping[str, object]) -> dict[str, Value]:
        """Return the values of the parameters that were active."""
        found = {k: v for k, v in values.items() if not k.startswith(INTERNAL)}
        params = clean_params(own_values(self._read_items, found))
        space = self._space
        if space is None:
            return params
        inactive = {p.name for p in space.parameters if not space.is_active(p, params)}
        return {name: value for name, value in params.items() if name not in inactive}

    def _read_space(self) -> None:
        if self._notes is not None:
            return
        self._notes = []
        try:
            config = read_object(self._project, "oracle.json")["hyperparameters"]
            items = [i for i in config["space"] if not i["config"]["name"].startswith(INTERNAL)]
            self._read_items, self._notes = read_definitions({"space": items})
            self._space, notes = checked_space(item.parameter for item in self._read_items)
            self._notes += notes
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            self._notes.append("oracle.json holds no space that can be used")


def _objective_first(histories: Mapping[str, Any], score: object) -> list[str]:
    """Return the names of the metrics, starting with the one whose value is the score."""
    wanted = finite(score)
    names = list(histories)
    values = {name: [value for _, value in _points(histories[name])] for name in names}
    return sorted(names, key=lambda name: wanted is None or wanted not in values[name])


def _points(history: Mapping[str, Any]) -> list[tuple[object, float]]:
    """Return (step, mean over the executions) for a metric's history."""
    points: list[tuple[object, float]] = []
    for index, observation in enumerate(history["observations"]):
        values = observation["value"]
        numbers = [float(v) for v in (values if isinstance(values, list) else [values])]
        if numbers:
            step = observation.get("step")
            points.append((step if isinstance(step, int) else index, sum(numbers) / len(numbers)))
    return points
