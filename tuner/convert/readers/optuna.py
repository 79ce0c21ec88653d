"""Converts an Optuna study, from a database or a journal: its distributions and directions.

A trial's samples are stored with their distributions, but conditions are not stored. A parameter
that only some trials have gets the condition that distinguishes them, if a single parent does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.convert.draft import SpecDraft
from tuner.convert.names import slug
from tuner.convert.ranges import Read, choices
from tuner.convert.readers.conditions import find_condition
from tuner.errors import NotFoundError, SpecError
from tuner.history.importers.targets import hide_secrets, parse_url
from tuner.history.store.imported import Facts, ImportedRun, Options
from tuner.space.definition import to_json
from tuner.space.value import Value, is_value, show_all

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

TOOL = "an Optuna study"
#: Maximum number of trials examined, from the first on.
_MOST_TRIALS = 10_000


def shown(given: str) -> str:
    """Return a URL in a form safe to display."""
    url, wanted = parse_url(given)
    return f"{hide_secrets(url)}#{wanted}" if wanted else hide_secrets(url)


def read_database(given: str) -> SpecDraft:
    """Return the draft of a study in a database.

    Args:
        given: the URL; `#NAME` chooses one of several studies.

    Raises:
        SpecError: it is not an Optuna database, or has several studies and none was chosen.
        NotFoundError: it has no study of that name.
        UnavailableError: it cannot be reached.
    """
    # Importing Optuna takes a third of a second.
    from tuner.history.importers.optuna.database import OptunaDatabase
    from tuner.history.importers.sql_database import SqlDatabase

    url, wanted = parse_url(given)
    with closing(SqlDatabase(url, hide_secrets(url))) as database:
        return _draft(_choose(OptunaDatabase(database).studies(), wanted, database.locator))


def read_journal(path: Path) -> SpecDraft:
    """Return the draft of the study in a journal.

    Args:
        path: absolute.

    Raises:
        SpecError: it is not an Optuna journal, or has several studies.
        OSError: it cannot be read.
    """
    from tuner.history.importers.optuna.journal import open_journal

    return _draft(_choose(open_journal(path), "", str(path)))


def _choose(studies: Sequence[Any], wanted: str, locator: str) -> Any:
    """Return the one study that is meant."""
    names = [study.name for study in studies]
    if wanted:
        named = [study for study in studies if study.name == wanted]
        if not named:
            raise NotFoundError(f"{locator}: has no study {wanted!r}; known: {show_all(names)}")
        return named[0]
    if not studies:
        raise SpecError(f"{locator}: holds no study")
    if len(studies) > 1:
        raise SpecError(
            f"{locator}: holds {len(studies)} studies; choose one with the database's URL and "
            f"#NAME, as sqlite:///study.db#NAME: {show_all(names)}"
        )
    return studies[0]


def _draft(study: Any) -> SpecDraft:
    draft = SpecDraft(TOOL, study.name)
    draft.values["project"] = "imported"
    draft.values["study"] = slug(study.name, "optuna")
    draft.stand_in()
    keys = sorted(study.stamps())
    read = list(study.read(keys[:_MOST_TRIALS], Options()))
    runs = [item for item in read if isinstance(item, ImportedRun)]
    facts: Facts = study.facts(Options())
    _read_metrics(facts, draft)
    distributions = study.distributions()
    if not distributions:
        raise SpecError(f"{study.locator}: no trial of it has a parameter yet")
    _read_space(distributions, [run.trial.params for run in runs], draft)
    draft.values["sampler"] = {"name": "bayesian"}
    draft.tell("sampler", "Optuna stores neither sampler nor pruner")
    draft.cap(None)
    if runs:
        draft.tell(
            "history",
            f"`tuner history add` on the same file: its {len(runs)} trials teach this study",
        )
    waiting = sum(not isinstance(item, ImportedRun) and "never" in item.reason for item in read)
    if waiting:
        draft.lose("start_with", f"what was enqueued and never started: {waiting}")
    return draft


def _read_metrics(facts: Facts, draft: SpecDraft) -> None:
    """Add the metrics that the study optimized: those with a goal."""
    aimed = {name: goal for name, goal in facts.metrics.items() if goal is not None}
    if len(aimed) > 1:
        draft.values["metric"] = []
        for name, goal in aimed.items():
            one = SpecDraft(draft.tool, "")
            one.measure(name, goal)
            draft.values["metric"].append(one.values["metric"])
            draft.notes += one.notes
        if all(name.startswith("value_") for name in aimed):
            draft.fill("metric", "the names of the metrics, which the study does not give")
        return
    for name, goal in aimed.items():
        draft.measure(None if name == "value" else name, goal)
    if not aimed:
        draft.measure(None, None)


def _read_space(
    distributions: Mapping[str, BaseDistribution],
    trials: Sequence[Mapping[str, Value]],
    draft: SpecDraft,
) -> None:
    for name, dist in distributions.items():
        read = _definition(name, dist)
        if read is None:
            draft.lose("search_space", f"{name}: {dist}"[:300])
            continue
        draft.take(name, read)
    ours = draft.names.of
    renamed = [{ours(k): v for k, v in params.items() if draft.names.knows(k)} for params in trials]
    # If a trial's value could not be kept, such as None among its choices, it was present
    # nevertheless.
    whole = [n for n, d in distributions.items() if None not in getattr(d, "choices", ())]
    for name in whole:
        if draft.names.knows(name):
            _add_condition(ours(name), renamed, draft)


def _add_condition(name: str, trials: Sequence[Mapping[str, Value]], draft: SpecDraft) -> None:
    having = sum(name in params for params in trials)
    if not 0 < having < len(trials):
        return
    place = f"search_space.{name}"
    found = find_condition(name, draft.space, trials)
    if found is None:
        draft.lose(
            place, f"{having} of {len(trials)} trials have it, and no choice of another tells when"
        )
        return
    parent, values = found
    draft.space[name]["when"] = {parent: values}
    draft.tell(place, f"`when` is told by the {len(trials)} trials; Optuna stores no conditions")


def _definition(name: str, dist: BaseDistribution) -> Read | None:
    values = getattr(dist, "choices", None)
    if values is not None and not all(map(is_value, values)):
        return choices(list(values))
    from tuner.space.optuna import from_distribution

    try:
        return Read(definition=to_json(from_distribution(name, dist)))
    except (ValueError, OverflowError):
        return None
