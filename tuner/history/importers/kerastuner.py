"""KerasTuner's project folders: `oracle.json` with the space, a folder with `trial.json` a trial.

They hold the full space, unlike its logs, but neither times nor the name of the objective: that is
the metric whose value is the score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.history.cleaning import clean_curves, clean_key, clean_metrics, clean_params, finite
from tuner.history.imported import Facts, ImportedRun, ImportKind, Options
from tuner.history.importers.declared import checked_space
from tuner.history.importers.scan import Folder, files_stamp
from tuner.history.importers.source import read_object
from tuner.history.own import fixed_values
from tuner.history.records import Goal, HistoricTrial, Rejection, State
from tuner.space import SearchSpace
from tuner.space.kerastuner import from_kerastuner
from tuner.space.value import Value

_STATES: dict[str, tuple[State, str | None]] = {
    "COMPLETED": ("complete", None),
    "INVALID": ("fail", None),
    "FAILED": ("fail", None),
}
_GOALS: dict[str, Goal] = {"max": "maximize", "min": "minimize"}
#: KerasTuner's own notes among the parameters, as of Hyperband's brackets.
_INTERNAL = "tuner/"


class KerasTunerStudy:
    """A project.

    Args:
        project: its folder, with `oracle.json`.
    """

    kind: ImportKind = "kerastuner"
    whole = False
    gone: frozenset[str] = frozenset()

    def __init__(self, project: Folder) -> None:
        self.locator = project.path
        self._project = project
        self._trials: dict[str, Folder] = {}
        self._goals: dict[str, Goal | None] = {}
        self._parameters: dict[str, None] = {}
        self._space: SearchSpace | None = None
        self._notes: list[str] | None = None

    def add(self, trial: Folder) -> None:
        """Take the folder of a trial into the study."""
        self._trials[clean_key(trial.name)] = trial

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        return {key: files_stamp([trial]) for key, trial in self._trials.items()}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        self._read_space()
        for key in keys:
            path = Path(self._trials[key].path, "trial.json")
            try:
                yield self._read(key, read_object(path))
            except (ValueError, TypeError, KeyError, AttributeError) as exc:
                text = str(exc) if type(exc) is ValueError else "is not a trial of KerasTuner's"
                yield Rejection(path=str(path), reason=text)
            except OSError as exc:
                yield Rejection(path=str(path), reason=f"cannot be read: {exc.strerror or exc}")

    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        self._read_space()
        space = self._space
        return Facts(
            metrics={**self._goals, **{n: g for n, g in options.by_name.items() if g is not None}},
            parameters=sorted({*self._parameters, *(space.names if space else ())}),
            space=None if space is None else space.to_json(),
            constants={} if space is None else fixed_values(space),
            notes=self._notes or [],
            options=options.to_json(),
        )

    def _read(self, key: str, data: dict[str, Any]) -> ImportedRun:
        status = data["status"]
        if status not in _STATES:
            raise ValueError(f"has not ended (status {str(status)[:40]})")
        state, cause = _STATES[status]
        histories = data["metrics"]["metrics"]
        metrics, curves = {}, {}
        for name in _objective_first(histories, data.get("score")):
            goal = _GOALS.get(histories[name].get("direction"))
            points = _points(histories[name])
            self._goals.setdefault(name, goal)
            curves[name] = points
            finished = [value for _, value in points if math.isfinite(value)]
            if finished:
                best = {"maximize": max, "minimize": min}.get(goal or "", lambda v: v[-1])
                metrics[name] = best(finished)
        if state == "complete" and not metrics:
            state, cause = "fail", "diverged"
        params = self._params(data["hyperparameters"]["values"])
        self._parameters |= dict.fromkeys(params)
        return ImportedRun(
            trial=HistoricTrial(
                key=key,
                params=params,
                metrics=clean_metrics(metrics),
                curves={n: c for n, c in clean_curves(curves).items() if len(c) > 1},
                state=state,
                cause=cause,
            ),
            stamp=files_stamp([self._trials[key]]),
        )

    def _params(self, values: Mapping[str, object]) -> dict[str, Value]:
        """Return the values of the parameters that were active."""
        params = clean_params({k: v for k, v in values.items() if not k.startswith(_INTERNAL)})
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
            config = read_object(Path(self._project.path, "oracle.json"))["hyperparameters"]
            items = [i for i in config["space"] if not i["config"]["name"].startswith(_INTERNAL)]
            found, self._notes = from_kerastuner({"space": items})
            self._space, notes = checked_space(found.parameters)
            self._notes += notes
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            self._notes.append("oracle.json holds no space that can be used")


def _objective_first(histories: Mapping[str, Any], score: object) -> list[str]:
    """Return the names of the metrics, first the one whose value is the score."""
    wanted = finite(score)
    names = list(histories)
    values = {name: [value for _, value in _points(histories[name])] for name in names}
    return sorted(names, key=lambda name: wanted is None or wanted not in values[name])


def _points(history: Mapping[str, Any]) -> list[tuple[object, float]]:
    """Return (step, mean over the executions) of a metric's history."""
    points: list[tuple[object, float]] = []
    for index, observation in enumerate(history["observations"]):
        values = observation["value"]
        numbers = [float(v) for v in (values if isinstance(values, list) else [values])]
        if numbers:
            step = observation.get("step")
            points.append((step if isinstance(step, int) else index, sum(numbers) / len(numbers)))
    return points
