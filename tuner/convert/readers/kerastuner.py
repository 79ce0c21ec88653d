"""Converts the search space of a KerasTuner project (its oracle.json) to a spec."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.convert.draft import SpecDraft
from tuner.convert.fields import Fields
from tuner.convert.names import slug
from tuner.convert.ranges import as_choice
from tuner.convert.search_file import SearchFile
from tuner.errors import SpecError
from tuner.roots import open_named
from tuner.space import Condition, Parameter
from tuner.space.definition import to_json
from tuner.space.kerastuner import from_kerastuner
from tuner.space.value import is_number, is_value, show

TOOL = "a KerasTuner project"
#: Keys of an oracle's state that describe the progress of a search, not what is searched.
_STATE = frozenset(
    (
        *("ongoing_trials", "start_order", "end_order", "run_times", "retry_queue", "seed_state"),
        *("tried_so_far", "id_to_hash", "display", "hyperparameters", "hyperband_iterations"),
        *("current_bracket", "current_iteration", "brackets", "min_epochs", "values", "space"),
        *("_ordered_ids", "_populate_next", "ordered_ids", "populate_next"),
    )
)
#: Prefix of the hyperparameters that KerasTuner itself adds.
_INTERNAL = "tuner/"
#: Maximum number of trials examined to find the metric, and maximum size of a trial's file.
_MOST_TRIALS = 50
_MOST_BYTES = 4 << 20


def read(file: SearchFile) -> SpecDraft | None:
    """Return the draft of a project, or of a space alone; None if the file belongs to another tool.

    Raises:
        SpecError: its space is invalid.
    """
    if not is_oracle(file.data):
        return None
    is_project = file.path.name == "oracle.json"
    draft = SpecDraft(TOOL, file.path.parent.name if is_project else file.path.stem)
    read_metric(file.path.parent, draft)
    read_oracle(file.fields(), draft)
    return draft


def is_oracle(data: dict[str, Any]) -> bool:
    """Whether a document is an oracle's state, or a space alone (`get_config()`)."""
    inner = data.get("hyperparameters", data)
    return isinstance(inner, dict) and isinstance(inner.get("space"), list) and "values" in inner


def read_oracle(oracle: Fields, draft: SpecDraft) -> None:
    """Fill a draft from an oracle's state.

    Raises:
        SpecError: its space is invalid.
    """
    draft.values["project"] = "imported"
    draft.values["study"] = slug(draft.stem, "kerastuner")
    draft.stand_in("hypermodel")
    inner = oracle.fields("hyperparameters") or oracle
    items = inner.list("space") or []
    try:
        kept = [i for i in items if not i["config"]["name"].startswith(_INTERNAL)]
        space, notes = from_kerastuner({"space": kept})
        if not all(is_value(v) for p in space.parameters for c in p.when for v in c.values):
            raise TypeError("a condition on no value")
        # Other oddities of a space only show when it is counted.
        unreachable = frozenset(space.unreachable)
    except (KeyError, TypeError, AttributeError, ArithmeticError):
        raise oracle.wrong("hyperparameters", "a space that KerasTuner wrote") from None
    except ValueError as exc:
        raise SpecError(f"hyperparameters: {exc}") from None
    for parameter in space.parameters:
        if parameter.name in unreachable:
            draft.lose("search_space", f"{parameter.name}: {space.needs(parameter)}, never so")
        else:
            draft.add(parameter.name, to_json(_renamed(parameter, draft)))
    for note in notes:
        name, _, text = note.partition(": ")
        known = draft.names.knows(name)
        draft.lose(
            f"search_space.{draft.names.of(name)}" if known else "search_space", text or note
        )
    if "metric" not in draft.values:
        draft.measure(None, None)
    _read_search(oracle, draft)
    draft.cap(None)
    draft.tell("budget", "max_trials does not stand in oracle.json")


def _renamed(parameter: Parameter, draft: SpecDraft) -> Parameter:
    """Return a parameter whose conditions use our names; parents come before their children."""
    when = tuple(
        Condition(parent=draft.names.of(item.parent), values=item.values) for item in parameter.when
    )
    return replace(parameter, when=when)


def _read_search(oracle: Fields, draft: SpecDraft) -> None:
    draft.values["sampler"] = {"name": "bayesian"}
    seed = oracle.number("seed")
    if isinstance(seed, int) and 0 <= seed < 2**32:
        draft.values["sampler"]["seed"] = seed
    most = oracle.number("max_epochs")
    if most is not None:
        factor = oracle.number("factor")
        pruner: dict[str, Any] = {"name": "hyperband"}
        if isinstance(most, int) and 1 < most <= 1_000_000:
            pruner["max_resource"] = most
        if isinstance(factor, int) and 2 <= factor <= 100:
            pruner["reduction_factor"] = factor
        draft.values["pruner"] = pruner
        draft.tell("pruner", "the search was one by Hyperband")
    else:
        draft.tell("sampler", "oracle.json does not say which oracle it was")
    for key, value in oracle.left().items():
        if key not in _STATE:
            draft.lose("sampler", f"{key}: {show(as_choice(value) if value != [] else value)}")


def read_metric(folder: Path, draft: SpecDraft) -> None:
    """Find the metric in a project's trials: the one whose value is the score."""
    with contextlib.suppress(OSError):
        names = sorted(
            entry.name for entry in os.scandir(folder) if entry.name.startswith("trial_")
        )
        for name in itertools.islice(names, _MOST_TRIALS):
            found = _metric_of(folder / name / "trial.json")
            if found is not None:
                draft.measure(*found)
                draft.tell("metric", f"the one whose value is the score of {name}")
                return


def _metric_of(path: Path) -> tuple[str, str] | None:
    try:
        with open_named(path) as file:
            trial = json.loads(file.read(_MOST_BYTES))
        score, metrics = trial["score"], trial["metrics"]["metrics"]
        if not is_number(score):
            return None
        for name, history in metrics.items():
            goal = {"min": "minimize", "max": "maximize"}.get(history["direction"])
            values = [v for point in history["observations"] for v in point["value"]]
            if goal is not None and score in values:
                return str(name), goal
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    return None
