"""Priors for a study from earlier Optuna studies, lists of their trials, and sources.

Trials are converted to the service's historic runs and are then treated like them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from tuner.history.importers.optuna.trials import historic_trial
from tuner.history.matching.mapping import LISTED, map_study
from tuner.history.matching.priors import make_priors
from tuner.history.store.records import Goal, HistoricStudy, HistoricTrial
from tuner.samplers.bayesian.space.adapter import OptunaSpaceAdapter
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.history.source import Source

Given = Study | Sequence[FrozenTrial] | Source


def priors_of(
    history: Sequence[Given],
    dialect: OptunaSpaceAdapter,
    directions: Sequence[StudyDirection],
    memory: MutableMapping[str, Any],
) -> tuple[Prior | None, ...]:
    """Return the prior of each objective of a study; None where history has nothing on it.

    Earlier studies are read once: trials added to them later are ignored.

    Args:
        history: Optuna studies, lists of trials (of the same directions as the study's), sources
            (they inform the first objective).
        dialect: translates between the study's parameters and points.
        directions: the direction of each of the study's objectives.
        memory: caches the result; it only saves time.
    """
    key = dialect.key, tuple(directions), tuple(id(item) for item in history)
    if memory.get("priors_key") != key:
        sources = [
            sources_of(history, dialect, directions, objective)
            for objective in range(len(directions))
        ]
        priors = make_priors(dialect.encoding, sources, memory.setdefault("models", {}))
        memory.update({"priors_key": key, "priors": priors})
    found: tuple[Prior | None, ...] = memory["priors"]
    return found


def sources_of(
    history: Sequence[Given],
    dialect: OptunaSpaceAdapter,
    directions: Sequence[StudyDirection],
    objective: int,
) -> list[Source]:
    """Return the sources that inform one objective.

    An Optuna study is read with its own directions. `tuner.history.matching.outcomes` decides which
    of its trials count and what each counts as; a study with too few of them is not a source.

    Raises:
        TypeError: an entry is none of these kinds.
        ValueError: a source does not have the study's columns.
    """
    found = []
    for number, item in enumerate(history):
        if isinstance(item, Source):
            source = _checked(item, dialect) if objective == 0 else None
        elif isinstance(item, Study):
            trials, own = item.get_trials(deepcopy=False), item.directions
            source = _source(item.study_name, trials, dialect, own, objective)
        else:
            source = _source(f"history[{number}]", item, dialect, directions, objective)
        if source is not None:
            found.append(source)
    return found


def _checked(source: Source, dialect: OptunaSpaceAdapter) -> Source:
    width = len(dialect.encoding)
    if source.x.shape[1] != width:
        raise ValueError(
            f"source {source.name!r} has {source.x.shape[1]} columns; the study has {width}: "
            f"{', '.join(dialect.encoding.names)}"
        )
    return source


def _source(
    name: str,
    trials: Sequence[FrozenTrial],
    dialect: OptunaSpaceAdapter,
    directions: Sequence[StudyDirection],
    objective: int,
) -> Source | None:
    if objective >= len(directions):
        return None
    goals: list[Goal] = [
        "maximize" if direction == StudyDirection.MAXIMIZE else "minimize"
        for direction in directions
    ]
    names = [f"objective {index}" for index in range(len(goals))]
    study = HistoricStudy(
        key=name,
        kind="optuna",
        locator=name,
        metrics=dict(zip(names, goals, strict=True)),
        space=None,
        constants={},
        data=None,
        code=None,
        image=None,
        trials=tuple(_ended(trials, dialect, names)),
        finished=None,
    )
    return map_study(study, dialect.encoding, names[objective], goals[objective], LISTED).source


def _ended(
    trials: Sequence[FrozenTrial], dialect: OptunaSpaceAdapter, names: Sequence[str]
) -> Iterator[HistoricTrial]:
    for item in trials:
        if not isinstance(item, FrozenTrial):
            raise TypeError(
                f"history holds a {type(item).__name__}; it takes Optuna studies, lists of their "
                "trials, or sources"
            )
        if item.state.is_finished():
            trial = copy.copy(item)
            trial.params = dialect.recorded(item.params, item.distributions)
            yield historic_trial(trial, item.state.name, names)
