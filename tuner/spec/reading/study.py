"""From plain values to a `StudySpec`: each section first, then how they fit together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.registry import PRUNERS, SAMPLERS
from tuner.space import Params, Problems, SearchSpace
from tuner.space.conditions import parse_assignment, parse_forbid
from tuner.space.definition import parse_all
from tuner.spec.history import History
from tuner.spec.model import Head, StudySpec
from tuner.spec.parts import (
    Budget,
    Data,
    FoundParameter,
    Metric,
    Pruner,
    Sampler,
    TrialLimits,
)
from tuner.spec.reading import checks
from tuner.spec.reading.history import read_history
from tuner.spec.reading.naming import read_named
from tuner.spec.reading.sections import LATER, SectionT, read_section
from tuner.spec.reading.ways import check_command, finds_space, read_head

#: Every key of a spec, in the order in which people write them. `found`, what was found in a
#: hypermodel, occurs only in stored specs.
KEYS = (
    *("project", "study", "objective", "hypermodel", "command", "metric", "constraints"),
    *("search_space", "forbid", "start_with", "sampler", "pruner", "history", "budget"),
    *("parallel", "trial", "image", "data", "priority"),
)
MAX_START_WITH = 1000
MAX_METRICS = 8
FOUND = "found"

_METRIC = (
    "{name: val_accuracy, goal: maximize}, or a list of 1 to 8 such mappings with different names"
)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The sections that could be read; None for those that could not."""

    head: Head | None
    metrics: tuple[Metric, ...] | None
    space: SearchSpace | None
    start_with: tuple[Params, ...]
    sampler: Sampler | None
    pruner: Pruner | None
    history: History
    budget: Budget | None
    trial: TrialLimits | None
    data: Data | None
    found: tuple[FoundParameter, ...]


def read_spec(
    data: Any,
    problems: Problems,
    *,
    with_space: bool = True,
    is_stored: bool = False,
    is_kept: bool = False,
) -> StudySpec | None:
    """Return the spec that plain values describe, or None if there are problems.

    Args:
        data: the document, with `search_space` inlined.
        problems: collects what is wrong.
        with_space: False if the search space could not be loaded, which was reported already.
        is_stored: the document is Tuner's own and may contain what was found in a hypermodel.
        is_kept: the spec was checked when it was stored; the packages of its sampler and pruner may
            have been uninstalled since.
    """
    if not isinstance(data, Mapping) or not data:
        problems.wrong((), data, f"a mapping with keys {', '.join(KEYS)}")
        return None
    before = len(problems)
    if FOUND in data and not is_stored:
        problems.key((FOUND,), "written by Tuner", "leave it out: trials find it again")
    problems.unknown_keys((), {key: data[key] for key in data if key != FOUND}, KEYS)
    draft = _read_draft(data, problems, with_space=with_space, is_kept=is_kept)
    if draft.sampler is not None:
        checks.check_sampler(draft.sampler, draft.space, problems)
    if draft.pruner is not None:
        checks.check_pruner(draft.pruner, draft.metrics, problems)
    if draft.budget is not None:
        checks.check_budget(draft.budget, draft.metrics, problems)
    return _assemble(draft) if len(problems) == before else None


def _read_draft(
    data: Mapping[str, Any], problems: Problems, *, with_space: bool, is_kept: bool
) -> Draft:
    head = read_head(data, problems)
    metrics = _read_metrics(data, problems)
    _read_constraints(data.get("constraints"), problems)
    space, start_with = _read_space(data, problems) if with_space else (None, ())
    if head is not None and space is not None:
        check_command(head.command, space.names, problems)
    # The other parameters are found later.
    names = None if finds_space(data) else _names(space, metrics)
    return Draft(
        head=head,
        metrics=metrics,
        space=space,
        start_with=start_with,
        sampler=read_named(Sampler, data, SAMPLERS, problems, is_kept=is_kept),
        pruner=read_named(Pruner, data, PRUNERS, problems, is_kept=is_kept),
        history=read_history(data.get("history"), names, problems),
        budget=_read_budget(data, problems),
        trial=_read_optional(TrialLimits, data, "trial", problems),
        data=_read_data(data, problems),
        found=_read_found(data.get(FOUND) or [], problems),
    )


def _names(space: SearchSpace | None, metrics: tuple[Metric, ...] | None) -> tuple[str, ...] | None:
    if space is None or metrics is None:
        return None
    return (*space.names, *(metric.name for metric in metrics))


def _assemble(draft: Draft) -> StudySpec | None:
    if draft.head is None or draft.space is None:
        return None
    parts = {name: getattr(draft, name) for name in Draft.__dataclass_fields__ if name != "head"}
    return StudySpec.model_validate({**draft.head.model_dump(exclude_defaults=True), **parts})


def _read_metrics(data: Mapping[str, Any], problems: Problems) -> tuple[Metric, ...] | None:
    given = data.get("metric")
    if "metric" not in data:
        problems.missing(("metric",), _METRIC)
        return None
    if isinstance(given, Mapping):
        metric = read_section(Metric, given, ("metric",), problems)
        return None if metric is None else (metric,)
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_METRICS:
        problems.wrong(("metric",), given, _METRIC)
        return None
    metrics: list[Metric] = []
    for index, item in enumerate(given):
        metric = read_section(Metric, item, ("metric", index), problems)
        if metric is not None and metric.name in [other.name for other in metrics]:
            problems.wrong(
                ("metric", index, "name"), metric.name, "a name that is not in the list yet"
            )
        elif metric is not None:
            metrics.append(metric)
    return tuple(metrics) if len(metrics) == len(given) else None


def _read_constraints(given: Any, problems: Problems) -> None:
    if given not in (None, []):
        problems.key(("constraints",), LATER, "leave it out, or []")


def _read_space(
    data: Mapping[str, Any], problems: Problems
) -> tuple[SearchSpace | None, tuple[Params, ...]]:
    before = len(problems)
    given = data.get("search_space")
    is_left_out = finds_space(data) and given in (None, {})
    if "search_space" not in data and not is_left_out:
        problems.missing(
            ("search_space",), "parameter names with definitions, a path, or {include: [...]}"
        )
        return None, ()
    parameters = {} if is_left_out else parse_all(given, ("search_space",), problems)
    known = dict.fromkeys(given) if isinstance(given, Mapping) else {}
    checks.check_parameter_names(known, problems)
    forbid = parse_forbid(data.get("forbid") or [], known, parameters, problems)
    valid = len(problems) == before
    space = SearchSpace(parameters=tuple(parameters.values()), forbid=forbid if valid else ())
    if valid:
        checks.check_space(space, problems)
    start_with = _read_start_with(data.get("start_with"), known, space, problems)
    return (space if valid else None), start_with


def _read_start_with(
    given: Any, known: Collection[str], space: SearchSpace, problems: Problems
) -> tuple[Params, ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > MAX_START_WITH:
        problems.wrong(("start_with",), given, f"a list of at most {MAX_START_WITH} mappings")
        return ()
    parameters = {parameter.name: parameter for parameter in space.parameters}
    entries: list[Params] = []
    for index, item in enumerate(given):
        path = ("start_with", index)
        before = len(problems)
        entry = parse_assignment(item, known, parameters, path, problems)
        # Only an entry whose parameters are all known and valid can be checked against the space.
        if len(problems) == before and entry.keys() == dict(item).keys():
            checks.check_start(space, entry, entries, path, problems)
        entries.append(entry)
    return tuple(entries)


def _read_budget(data: Mapping[str, Any], problems: Problems) -> Budget | None:
    allowed = "at least one of trials, hours, target, patience, as {trials: 50}"
    if "budget" not in data:
        problems.missing(("budget",), allowed)
        return None
    if not data["budget"]:
        problems.wrong(("budget",), data["budget"], allowed)
        return None
    budget = read_section(Budget, data["budget"], ("budget",), problems)
    if budget is not None and not budget.model_dump(exclude_none=True):
        problems.wrong(("budget",), data["budget"], allowed)
        return None
    return budget


def _read_data(data: Mapping[str, Any], problems: Problems) -> Data | None:
    read = _read_optional(Data, data, "data", problems)
    if read is not None and read.loader is not None and data.get("hypermodel") is None:
        allowed = "only with hypermodel: an objective and a command load their data themselves"
        problems.wrong(("data", "loader"), read.loader, allowed)
    return read


def _read_found(given: Any, problems: Problems) -> tuple[FoundParameter, ...]:
    if not isinstance(given, list):
        problems.wrong((FOUND,), given, "a list of mappings")
        return ()
    read = [
        read_section(FoundParameter, item, (FOUND, index), problems)
        for index, item in enumerate(given)
    ]
    return tuple(item for item in read if item is not None)


def _read_optional(
    model: type[SectionT], data: Mapping[str, Any], key: str, problems: Problems
) -> SectionT | None:
    given = data.get(key)
    return model() if given is None else read_section(model, given, (key,), problems)
