"""What is valid in a spec but probably not intended."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator

from tuner.space import Parameter, Problems
from tuner.space.definition import MAX_PARAMETERS
from tuner.space.value import show
from tuner.spec.history import is_url
from tuner.spec.model import StudySpec

#: Words that hide their meaning, each with the hierarchical name that expresses it.
ABBREVIATIONS: dict[str, str] = {
    "act": "model.activation",
    "aug": "data.augmentation",
    "bn": "model.batch_norm",
    "bs": "train.batch_size",
    "do": "model.dropout_rate",
    "dr": "model.dropout_rate",
    "eps": "train.epsilon",
    "hid": "model.hidden_units",
    "hs": "model.hidden_size",
    "ks": "model.kernel_size",
    "l1": "model.l1_penalty",
    "l2": "model.l2_penalty",
    "lr": "train.learning_rate",
    "ls": "train.label_smoothing",
    "mom": "train.momentum",
    "nl": "model.layers",
    "opt": "train.optimizer",
    "wd": "train.weight_decay",
}

#: From this number of powers of ten on, a linear range is probably not intended.
_DECADES = 4


def advise(spec: StudySpec) -> Problems:
    """Return warnings about a valid spec."""
    # High enough for every warning: each parameter has a few at most.
    found = Problems(listed=4 * MAX_PARAMETERS)
    for name, better in advise_names(spec.space.names):
        found.key(("search_space", name), "abbreviation", f"better {show(better)}")
    for parameter in spec.space.parameters:
        _advise_range(parameter, found)
    _advise_budget(spec, found)
    _advise_history(spec, found)
    return found


def advise_names(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each abbreviation among parameter names, with the name to use instead."""
    for name in names:
        *scope, word = name.split(".")
        full = ABBREVIATIONS.get(word.lower())
        if full is not None:
            yield name, ".".join([*scope, full.rpartition(".")[2]]) if scope else full


def _advise_range(parameter: Parameter, found: Problems) -> None:
    """Warn of a linear range in which all but the last decades are hardly ever tried."""
    low, high = parameter.low, parameter.high
    if parameter.log or parameter.step or low is None or high is None or low <= 0:
        return
    decades = math.log10(high / low) if high > low else 0.0
    if decades >= _DECADES - 1e-9:
        advice = (
            f"a linear range over {decades:.0f} decades, of which nine values in ten lie in the "
            f"last one; log: true tries all alike"
        )
        found.wrong(("search_space", parameter.name), [low, high], advice)


def _advise_budget(spec: StudySpec, found: Problems) -> None:
    budget = spec.budget
    if budget.target is not None and not (budget.trials or budget.hours or budget.patience):
        advice = "may never be reached; add trials or hours"
        found.wrong(("budget", "target"), budget.target, advice)
    if budget.trials is None:
        return
    if len(spec.start_with) > budget.trials:
        advice = f"fewer than the {len(spec.start_with)} entries of start_with"
        found.wrong(("budget", "trials"), budget.trials, advice)
    # A hypermodel may have more parameters that are not known yet.
    size = None if spec.finds_space else spec.space.cardinality()
    if size is not None and size < budget.trials:
        advice = f"the space has only {size} configurations; the study ends when all were tried"
        found.wrong(("budget", "trials"), budget.trials, advice)


def _advise_history(spec: StudySpec, found: Problems) -> None:
    for index, item in enumerate(spec.history):
        if item.path is not None and not is_url(item.path) and not os.path.lexists(item.path):
            advice = "no such file or folder here; it informs the study if it was imported before"
            found.wrong(("history", index, "path"), item.path, advice)
        if item.study == spec.name:
            advice = "the study itself, which is not its own history"
            found.wrong(("history", index, "study"), item.study, advice)
