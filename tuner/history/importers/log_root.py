"""Our own log roots: `trial.json` is authoritative, `config.json` and the event file replace it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tuner.errors import SpecError
from tuner.history.importers.folders import ScannedFolder, files_stamp, is_run_name
from tuner.history.importers.source import read_object
from tuner.history.store.cleaning import (
    clean_curves,
    clean_key,
    clean_metrics,
    clean_params,
    clean_time,
)
from tuner.history.store.imported import OUTCOMES, Facts, ImportedRun, ImportKind, Options
from tuner.history.store.records import Goal, HistoricTrial, Rejection, State
from tuner.space import SearchSpace
from tuner.tfevents.events import OBJECTIVE_TAG, curve_tag, objective_tag
from tuner.tfevents.reader import RunEvents, read_files

#: Maximum size of an event file. Ours have a scalar and some numbers for each step; this is a
#: million steps.
_MOST_BYTES = 256 << 20


def is_run(folder: ScannedFolder) -> bool:
    """Whether a folder is a run directory of Tuner."""
    return is_run_name(folder.name) and bool(folder.json_files or folder.event_files)


class LogRootStudy:
    """The folder of one study in a log root; its runs are its subfolders."""

    kind: ImportKind = "study"
    whole = False
    gone: frozenset[str] = frozenset()

    def __init__(self, path: str, runs: Iterable[ScannedFolder]) -> None:
        self.locator = path
        self._runs = {clean_key(run.name): run for run in runs}
        self._config: dict[str, Any] | None = None
        self._metrics: set[str] = set()
        self._parameters: set[str] = set()

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        return {key: files_stamp([run]) for key, run in self._runs.items()}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        for key in keys:
            run = self._runs[key]
            try:
                yield self._read(key, run)
            except ValueError as exc:
                yield Rejection(path=run.path, reason=str(exc))
            except OSError as exc:
                yield Rejection(path=run.path, reason=f"cannot be read: {exc.strerror or exc}")

    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        config = self._study_config()
        spec = config.get("spec")
        notes = []
        space = None
        try:
            space = _space(spec) if isinstance(spec, dict) else None
        except (SpecError, KeyError, TypeError, AttributeError):
            notes.append("its search space is not one that this release knows")
        goals = dict(_goals(config))
        return Facts(
            metrics={**goals, **{n: None for n in sorted(self._metrics) if n not in goals}},
            parameters=sorted(self._parameters),
            space=None if space is None else space.to_json(),
            constants={} if space is None else space.fixed_values,
            data=_text(config.get("data"), "fingerprint"),
            code=_text(config.get("code"), "snapshot"),
            image=_text(config, "image"),
            notes=notes,
            options=options.to_json(),
        )

    def _read(self, key: str, run: ScannedFolder) -> ImportedRun:
        """Return a run; a `ValueError` says why it cannot be used."""
        record = _load(run, "trial.json")
        if record is None:
            imported = self._from_events(key, run)
        elif not record.get("is_outcome", True):
            raise ValueError("an attempt that did not become its trial's outcome")
        else:
            imported = self._from_record(key, run, record)
        self._metrics.update(imported.trial.metrics)
        self._parameters.update(imported.trial.params)
        return imported

    def _from_record(self, key: str, run: ScannedFolder, record: dict[str, Any]) -> ImportedRun:
        state = OUTCOMES.get(str(record.get("outcome")))
        params, curve = record.get("params"), record.get("curve")
        if state is None or not isinstance(params, dict):
            raise ValueError("trial.json holds no outcome and parameters of a trial")
        names = [name for name, _ in _goals(self._study_config(run))] or ["objective"]
        values = record.get("values") or [record.get("objective")]
        told = dict(zip(names, values, strict=False)) if isinstance(values, list) else {}
        beside = record.get("metrics")
        now = time.time()
        points = [p[:2] for p in curve if isinstance(p, list)] if isinstance(curve, list) else []
        return ImportedRun(
            trial=HistoricTrial(
                key=key,
                params=clean_params(params),
                metrics=clean_metrics({**(beside if isinstance(beside, dict) else {}), **told}),
                curves=clean_curves({names[0]: [tuple(p) for p in points if len(p) == 2]}),
                state=state,
                cause=_text(record, "cause"),
                started=clean_time(record.get("started"), now),
                finished=clean_time(record.get("finished"), now),
            ),
            stamp=files_stamp([run]),
            **_origin(record),
        )

    def _from_events(self, key: str, run: ScannedFolder) -> ImportedRun:
        """Return a run from config.json and the event file, without a usable trial.json."""
        config = _load(run, "config.json") or {}
        events = read_files(run.open_events(), most=_MOST_BYTES)
        raw = config.get("params")
        params = clean_params(raw if isinstance(raw, dict) else events["hparams"] or {})
        if not params:
            raise ValueError("neither trial.json nor config.json nor event files can be used")
        names = [name for name, _ in _goals(config or self._study_config())] or [OBJECTIVE_TAG]
        metrics = _told(names, events)
        ended = events["status"] is not None
        state: State = "running"
        if ended:
            state = "complete" if metrics and events["status"] == "success" else "fail"
        now = time.time()
        return ImportedRun(
            trial=HistoricTrial(
                key=key,
                params=params,
                metrics=clean_metrics(metrics),
                curves=clean_curves(_named_curves(names, events)),
                state=state,
                started=clean_time(events["start"], now),
                finished=clean_time(events["end"], now),
            ),
            stamp=files_stamp([run]),
            **_origin(config),
        )

    def _study_config(self, first: ScannedFolder | None = None) -> dict[str, Any]:
        """Return a readable config.json of a run: that of `first`, or of the newest run."""
        if self._config is None:
            newest = [self._runs[key] for key in sorted(self._runs, reverse=True)]
            found = (_load(run, "config.json") for run in ([first] if first else []) + newest)
            self._config = next((config for config in found if config is not None), {})
        return self._config


def _load(run: ScannedFolder, name: str) -> dict[str, Any] | None:
    """Return a JSON file of a run, None if it is missing or damaged."""
    if not run.has(name):
        return None
    try:
        return read_object(run, name)
    except ValueError:
        return None


def _goals(config: Mapping[str, Any]) -> Iterator[tuple[str, Goal]]:
    """Yield name and goal of a study's metrics, in its order."""
    metrics = config.get("metrics")
    for metric in metrics if isinstance(metrics, list) else ():
        if isinstance(metric, dict) and metric.get("goal") in ("maximize", "minimize"):
            yield str(metric.get("name")), metric["goal"]


def _told(names: list[str], events: RunEvents) -> dict[str, object]:
    tags = {name: objective_tag(index) for index, name in enumerate(names)}
    scalars = events["scalars"]
    return {name: scalars[tag][-1][1] for name, tag in tags.items() if tag in scalars}


def _named_curves(names: list[str], events: RunEvents) -> dict[str, list[tuple[object, object]]]:
    told = {objective_tag(index) for index in range(len(names))}
    renamed = {curve_tag(name): name for name in names}
    return {
        renamed.get(tag, tag): [(step, value) for step, value, _ in points]
        for tag, points in events["scalars"].items()
        if tag not in told
    }


def _origin(record: Mapping[str, Any]) -> dict[str, Any]:
    folder, seed = record.get("run_dir"), record.get("seed")
    if not isinstance(folder, str) or not isinstance(seed, int) or isinstance(seed, bool):
        return {}
    return {"run_dir": folder, "seed": seed} if abs(seed) < 2**63 else {}


def _space(spec: Mapping[str, Any]) -> SearchSpace:
    return SearchSpace.from_json(
        {"parameters": spec["search_space"], "forbid": spec.get("forbid", [])}
    )


def _text(data: object, name: str) -> str | None:
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) and value else None
