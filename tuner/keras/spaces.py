"""Converts KerasTuner's search space to the names and types of a study, and back.

KerasTuner identifies a hyperparameter by its name together with its conditions. In the study each
has a name of its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.errors import SpecError
from tuner.keras.naming import MAX_SOURCE, free_name
from tuner.space import Condition, Parameter, Problems
from tuner.space.conditions import read_when
from tuner.space.definition import MAX_VALUES, parse, to_json
from tuner.space.kerastuner import from_kerastuner, is_active_under
from tuner.space.value import Choices, show

#: An entry of `HyperParameters.get_config()["space"]`: `{class_name, config}`.
Item = Mapping[str, Any]
Definition = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Known:
    """A hyperparameter that the study knows: its own name, and its definition in the study."""

    name: str
    source: str
    definition: Definition


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A hyperparameter of the script and its parameter in the study."""

    source: str
    parameter: Parameter

    @property
    def name(self) -> str:
        """Its name in the study."""
        return self.parameter.name

    @property
    def definition(self) -> Definition:
        """Its definition in a spec."""
        return to_json(self.parameter)


class SpaceMap:
    """The study's name of each hyperparameter. The same items always get the same names.

    Args:
        given: those that the study was submitted with, in KerasTuner's order.
        known: others that the study knows, from any process.
        items: all that this process knows; those neither given nor known get new names.

    Raises:
        SpecError: a study cannot hold one of them; the text names it.
    """

    def __init__(
        self, given: Iterable[Item], known: Iterable[Known] = (), items: Iterable[Item] = ()
    ) -> None:
        self._entries: dict[str, Entry] = {}
        self._found: dict[tuple[str, str], Entry] = {}
        for item in given:
            self._learn(item)
        for one in known:
            if one.name not in self._entries:
                self._take(one)
        for item in items:
            self._learn(item)

    @property
    def entries(self) -> Sequence[Entry]:
        """All of them, parents before their children."""
        return list(self._entries.values())

    def definitions(self) -> dict[str, Definition]:
        """Return the search space in the form of a spec."""
        return {name: entry.definition for name, entry in self._entries.items()}

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a trial's parameters as `HyperParameters.values`; unknown ones are left out.

        Types that JSON does not preserve are restored: an int is an int, a float is a float.
        """
        values: dict[str, Any] = {}
        for name, value in params.items():
            entry = self._entries.get(name)
            found = None if entry is None else entry.parameter.find(value)
            if entry is not None and found is not None:
                values[entry.source] = found
        return values

    def met(self, values: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a trial has used in addition to its parameters, by the study's names.

        Args:
            values: the trial's `HyperParameters.values`.
            params: what the study has proposed.
        """
        used = dict(params)
        for name, entry in self._entries.items():
            is_active = all(condition.holds(used) for condition in entry.parameter.when)
            if name not in used and is_active and entry.source in values:
                found = entry.parameter.find(values[entry.source])
                used |= {} if found is None else {name: found}
        return {name: value for name, value in used.items() if name not in params}

    def _learn(self, item: Item) -> None:
        settings = item["config"]
        source = str(settings["name"])
        conditions = settings.get("conditions") or []
        when = self._when(source, conditions)
        if when is None:
            return  # conditions that exclude each other: it is never active
        key = _key(source, when)
        if key in self._found:
            return
        sources = {entry.name: entry.source for entry in self._entries.values()}
        name = free_name(source, when, sources)
        self._add(key, Entry(source=source, parameter=_parameter(name, item, when)))

    def _take(self, known: Known) -> None:
        problems = Problems()
        parameter = parse(known.name, known.definition, (known.name,), problems)
        if parameter is None:
            return  # a definition of a later release, perhaps: its default is used
        parameter = read_when(parameter, known.definition)
        entry = Entry(source=known.source, parameter=parameter)
        self._add(_key(known.source, parameter.when), entry)

    def _add(self, key: tuple[str, str], entry: Entry) -> None:
        self._entries[entry.name] = entry
        self._found.setdefault(key, entry)

    def _when(
        self, source: str, conditions: Sequence[Mapping[str, Any]]
    ) -> tuple[Condition, ...] | None:
        """Return conditions in the study's names; None if they can never hold together."""
        when: dict[str, tuple[Any, ...]] = {}
        for item in conditions:
            settings = item["config"]
            parent = self._parent(source, str(settings["name"]), when)
            allowed = [parent.find(value) for value in settings["values"]]
            values = Choices(value for value in allowed if value is not None).all()
            if parent.name in when:
                both = Choices(when[parent.name])
                values = tuple(value for value in values if both.find(value) is not None)
            if not values:
                return None
            when[parent.name] = values
        return tuple(Condition(parent=name, values=values) for name, values in when.items())

    def _parent(self, source: str, name: str, outer: Mapping[str, Any]) -> Parameter:
        """Return the parameter that a condition refers to: of several, the one active there."""
        found = [entry.parameter for entry in self._entries.values() if entry.source == name]
        if not found:
            raise SpecError(f"hyperparameter {source!r}: its condition names no hyperparameter")
        fitting = [p for p in found if is_active_under(p, outer)]
        parent = max(fitting or found, key=lambda p: len(p.when))
        if parent.kind == "float":
            raise SpecError(
                f"hyperparameter {source!r}: it depends on {name!r}, which is a Float: "
                f"its values cannot be listed; let it depend on a Choice, Boolean or Int"
            )
        return parent


def _key(source: str, when: Iterable[Condition]) -> tuple[str, str]:
    conditions = sorted((item.parent, [show(value) for value in item.values]) for item in when)
    return source, json.dumps(conditions)


def _parameter(name: str, item: Item, when: tuple[Condition, ...]) -> Parameter:
    """Return an item as a checked parameter of the study."""
    settings = {**item["config"], "name": name, "conditions": []}
    source = str(item["config"]["name"])
    try:
        if len(source) > MAX_SOURCE:
            raise ValueError(f"a name of {len(source)} characters, at most {MAX_SOURCE}")
        space, _ = from_kerastuner({"space": [{**item, "config": settings}]})
        parameter = _listed(_single(space.parameters[0]))
    except (ValueError, KeyError, TypeError, OverflowError) as exc:
        text = str(exc).removeprefix(f"{name}: ")
        raise SpecError(f"hyperparameter {source!r}: {text}") from exc
    return dataclasses.replace(parameter, when=when)


def _single(parameter: Parameter) -> Parameter:
    """Return a range with only one value, because its step exceeds its width, as fixed."""
    if parameter.kind in ("int", "float") and parameter.size == 1:
        return Parameter(name=parameter.name, kind="fixed", value=parameter.at(0))
    return parameter


def _listed(parameter: Parameter) -> Parameter:
    """Return a parameter as a spec accepts it: a grid without exact decimals becomes a list.

    Raises:
        ValueError: a spec cannot hold it.
    """
    problems = Problems()
    if parse(parameter.name, to_json(parameter), (parameter.name,), problems) is not None:
        return parameter
    size = parameter.size
    if parameter.kind == "float" and size is not None and size <= MAX_VALUES:
        values = tuple(parameter.at(index) for index in range(size))
        return _listed(Parameter(name=parameter.name, kind="ordinal", values=values))
    raise ValueError("; ".join(problem.text for problem in problems))
