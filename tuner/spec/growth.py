"""A search space that grows: what trials find in a hypermodel, and how it enters the study's spec.

A parameter is identified by the hypermodel's own name and its conditions there: one name may have
several definitions under different conditions. The user's definition takes precedence if its values
are among the hypermodel's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuner.errors import SpecError
from tuner.protocol import MAX_FOUND, MAX_FOUND_NAME, Found
from tuner.space import Condition, Parameter, Problems, SearchSpace, Value
from tuner.space.definition import parse, parse_all, to_json
from tuner.space.value import is_number, show
from tuner.spec.found import known_parameters
from tuner.spec.model import StudySpec
from tuner.spec.parts import FoundParameter
from tuner.spec.reading.loading import parse_stored

#: A user's range is checked against a grid value by value up to this number; beyond it, by its
#: ends.
_LISTED = 10_000

#: Maximum size of the grown space as JSON, in bytes: each claim and each submission reads it.
_MAX_BYTES = 1 << 20
#: Maximum number of renamed parameters in a trial; there cannot be more than there are parameters.
_MAX_RENAMED = MAX_FOUND

#: A hypermodel's own name, and its conditions there in canonical form.
_Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The result of adding what a trial found to a study.

    Attributes:
        spec: the study's spec including what is new.
        values: what the trial uses, by the names of the search space.
        fresh: names of the parameters that were unknown before.
        renamed: the trial's own names that refer to another parameter of the space.
        unfit: a sentence for each value that its own definition does not allow; such values are
            left out.
    """

    spec: StudySpec
    values: dict[str, Value]
    fresh: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    unfit: tuple[str, ...] = ()


def grow(
    spec: StudySpec, found: Sequence[Found], *, since: int, renamed: Mapping[str, str]
) -> Growth:
    """Return a study's spec with what a trial has found in addition; idempotent.

    Args:
        spec: the study's spec, as it is stored.
        found: what the trial reports, parents before their children.
        since: number of the next trial, the first that may be proposed with it.
        renamed: names of this trial that refer to another parameter, from an earlier `Growth`.

    Raises:
        SpecError: it contradicts the study, or is not a valid search space; nothing may be stored.
            The text is a sentence for the trial's error.
    """
    naming = _Naming(spec, renamed)
    named = [(naming.name(item), item) for item in found]
    definitions = naming.definitions
    again: list[tuple[str, Found]] = []
    for name, item in named:
        if name in naming.met:
            again.append((name, item))
        else:
            definitions[name] = naming.translated(item)
            naming.met.add(name)
    models = _parse(definitions)
    for name, item in again:
        _require_same(models[name], item)
    spaced = {parameter.name: parameter for parameter in spec.space.parameters}
    marks = {mark.name: mark for mark in spec.found}
    fresh: list[str] = []
    for name, item in named:
        if name in marks:
            continue
        model = models[name]
        given = spaced.get(name)
        if given is not None:
            _require_fit(given, model)
        elif (narrowed := _narrowed(model, spaced)) is not None:
            spaced[name] = narrowed
        else:
            continue  # its conditions cannot hold in what the user has given
        own = to_json(model)
        marks[name] = FoundParameter(
            name=name,
            source=item.source,
            since=0 if given is not None else since,
            definition=None if own == to_json(spaced[name]) else own,
        )
        fresh.append(name)
    grown = _with(spec, spaced, marks, fresh)
    values, unfit = _values(grown.space, named)
    return Growth(
        spec=grown,
        values=values,
        fresh=tuple(name for name in fresh if name in grown.space),
        renamed=dict(list(naming.renamed.items())[:_MAX_RENAMED]),
        unfit=unfit,
    )


def space_of(spec: StudySpec, known: int) -> SearchSpace:
    """Return the search space of a study at the time when it had `known` parameters.

    Args:
        spec: the study's spec, as it is stored now.
        known: the number of its parameters that were known then.
    """
    found = [mark.name for mark in spec.found if not mark.is_given]
    later = set(found[max(0, known - (len(spec.space) - len(found))) :])
    kept = tuple(item for item in spec.space.parameters if item.name not in later)
    return SearchSpace(parameters=kept, forbid=spec.space.forbid)


class _Naming:
    """Identifies the study's parameter for each found one. Mutable: new ones reserve names."""

    def __init__(self, spec: StudySpec, renamed: Mapping[str, str]) -> None:
        known = known_parameters(spec)
        #: The hypermodel's own definitions by name; the user's for those not found yet.
        self.definitions: dict[str, dict[str, Any]] = {k.name: k.definition for k in known}
        self.met = {item.name for item in known if item.source}
        self.renamed = dict(renamed)
        self._names = {_key(k.source, k.definition.get("when")): k.name for k in known if k.source}
        self._unmet = {item.name for item in known if not item.source}

    def translated(self, item: Found) -> dict[str, Any]:
        """Return the definition of a found parameter, its conditions in the names of the space."""
        return {**item.definition, "when": self._when(item)}

    def _when(self, item: Found) -> Any:
        when = item.definition.get("when") or None
        if not isinstance(when, Mapping):
            return when
        return {self.renamed.get(str(p), str(p)): values for p, values in when.items()}

    def name(self, item: Found) -> str:
        """Return the name of a parameter, a new name if it is unknown."""
        when = self._when(item)
        key = _key(item.source, when)
        name = self._names.get(key)
        if name is None:
            name = self._new_name(item.name, when)
            self._unmet.discard(name)
            self._names[key] = name
        if name != item.name:
            self.renamed[item.name] = name
        return name

    def _new_name(self, wanted: str, when: Any) -> str:
        if wanted in self._unmet:
            return wanted
        taken = {*self.definitions, *self._names.values()}
        if wanted not in taken:
            return wanted
        inner = list(when.values())[-1:] if isinstance(when, Mapping) else []
        stem = ".".join([wanted[: MAX_FOUND_NAME - 50], *map(_word, inner)])
        tries = (stem if n == 1 else f"{stem}_{n}" for n in range(1, len(taken) + 2))
        return next(name for name in tries if name not in taken)


def _key(source: str, when: Any) -> _Key:
    if not isinstance(when, Mapping):
        return source, ""
    listed = {p: values if isinstance(values, list) else [values] for p, values in when.items()}
    conditions = {parent: sorted(map(_meaning, values)) for parent, values in listed.items()}
    return source, json.dumps(conditions, sort_keys=True)


def _meaning(value: Any) -> str:
    """Return the same text for values that mean the same."""
    return json.dumps(float(value) if is_number(value) else value, default=str)


def _word(values: Any) -> str:
    """Return the first value of a condition as part of a name."""
    value = values[0] if isinstance(values, list) and values else values
    word = re.sub(r"[^A-Za-z0-9_]+", "_", str(value))[:40].strip("_") or "other"
    return f"_{word}" if word[0].isdigit() else word


def _parse(definitions: Mapping[str, Mapping[str, Any]]) -> dict[str, Parameter]:
    problems = Problems()
    parsed = parse_all(definitions, (), problems)
    if len(problems):
        told = "; ".join(problem.text for problem in problems)
        raise SpecError(f"what the trial has found makes no search space: {told}")
    return parsed


def _require_same(model: Parameter, item: Found) -> None:
    """Refuse a parameter whose definition changed under the same conditions."""
    problems = Problems()
    now = parse(model.name, item.definition, (model.name,), problems)
    before = replace(model, when=())
    if now == before:
        return
    raise SpecError(
        f"the hypermodel's parameter {show(item.source)} was {_shown(before)} when it was found, "
        f"and is {_shown(item.definition if now is None else now)} now: it has to be defined in "
        "the same way each time the model is built; another definition takes another name, or "
        "stands in a conditional_scope of its own. Where the code was changed for it, that is "
        "another study, under another name"
    )


def _require_fit(given: Parameter, model: Parameter) -> None:
    if not _fits(given, model):
        raise SpecError(
            f"search_space.{given.name}: {_shown(given)} does not fit in what the "
            f"hypermodel has, {_shown(model)}: give values that lie in it, or leave it out"
        )


def _fits(given: Parameter, model: Parameter) -> bool:
    """Whether the hypermodel has every value of the user's definition."""
    size = given.size
    if size is not None and size <= _LISTED:
        return all(model.find(given.at(index)) is not None for index in range(size))
    if model.kind not in ("float", "int") or given.kind not in ("float", "int"):
        return False
    is_stepped = model.step not in (None, 1) or (model.kind == "int" and given.kind == "float")
    ends = given.bounds
    return not is_stepped and all(model.find(end) is not None for end in ends)


def _narrowed(model: Parameter, space: Mapping[str, Parameter]) -> Parameter | None:
    """Return a parameter with its conditions limited to the values that the space has.

    None: one of them can never hold there.
    """
    conditions: list[Condition] = []
    for condition in model.when:
        parent = space.get(condition.parent)
        values = tuple(v for v in condition.values if parent and parent.find(v) is not None)
        if not values:
            return None
        conditions.append(replace(condition, values=values))
    return replace(model, when=tuple(conditions))


def _with(
    spec: StudySpec,
    spaced: Mapping[str, Parameter],
    marks: Mapping[str, FoundParameter],
    fresh: Sequence[str],
) -> StudySpec:
    """Return the spec with the fresh parameters, as it will be read again."""
    if not fresh:
        return spec
    kept = dict(spaced)
    while True:
        space = SearchSpace(parameters=tuple(kept.values()), forbid=spec.space.forbid)
        # Their conditions exclude each other: such a parameter is never active.
        lost = set(space.unreachable) & set(fresh)
        if not lost:
            break
        kept = {n: p for n, p in kept.items() if not lost & {n, *(c.parent for c in p.when)}}
    found = tuple(mark for name, mark in marks.items() if name in kept)
    document = spec.model_copy(update={"space": space, "found": found}).to_json()
    size = len(json.dumps([document["search_space"], document["found"]]))
    if size > _MAX_BYTES:
        raise SpecError(
            f"what trials have found of the hypermodel takes {size} bytes, at most {_MAX_BYTES}: "
            "choices of fewer or shorter values"
        )
    try:
        return parse_stored(document)
    except SpecError as exc:
        told = str(exc).replace("stored spec: ", "")
        raise SpecError(f"what the trial has found makes no study: {told}") from None


def _values(
    space: SearchSpace, named: Sequence[tuple[str, Found]]
) -> tuple[dict[str, Value], tuple[str, ...]]:
    values: dict[str, Value] = {}
    unfit: list[str] = []
    for name, item in named:
        if item.value is None or name not in space:
            continue
        value = space[name].find(item.value)
        if value is None:
            unfit.append(f"{name}: {show(item.value)}: {space[name].allowed}")
        else:
            values[name] = value
    return values, tuple(unfit)


def _shown(definition: Parameter | Mapping[str, Any]) -> str:
    data = to_json(definition) if isinstance(definition, Parameter) else definition
    parts = ", ".join(f"{key}: {show(value)}" for key, value in data.items())
    return f"{{{parts}}}"
