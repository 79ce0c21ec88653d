"""The space that a study searches: parameters, conditions between them, forbidden combinations."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from typing_extensions import override

from tuner.errors import SpecError
from tuner.space import conditions, counting, definition
from tuner.space.parameter import Parameter
from tuner.space.problem import Problems
from tuner.space.value import Value, is_same, show, show_all

Params = dict[str, Value]


@dataclass(frozen=True)
class SearchSpace:
    """Parameters (parents before their children) and combinations that are never proposed.

    Created by `make_space` or `from_json`, which check the definitions; the constructor orders the
    parameters and trusts the rest.
    """

    parameters: tuple[Parameter, ...]
    forbid: tuple[Params, ...] = ()

    def __post_init__(self) -> None:
        """Put parents before their children, otherwise keeping the order."""
        object.__setattr__(self, "parameters", _parents_first(self.parameters))

    @cached_property
    def _by_name(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameters}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Parameter names in the order of `parameters`."""
        return tuple(self._by_name)

    @property
    def fixed_values(self) -> Params:
        """The values of the fixed parameters."""
        return {item.name: item.at(0) for item in self.parameters if item.kind == "fixed"}

    def __getitem__(self, name: str) -> Parameter:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __len__(self) -> int:
        return len(self.parameters)

    @override
    def __hash__(self) -> int:
        return hash((self.parameters, json.dumps(self.forbid, sort_keys=True)))

    def is_active(self, parameter: Parameter, params: Mapping[str, Value]) -> bool:
        """Whether `parameter` has a value in a configuration that starts with `params`."""
        return all(condition.holds(params) for condition in parameter.when)

    def walk(self, choose: Callable[[Parameter], Value]) -> Params:
        """Return a configuration; `choose` is called for each active parameter, parents first.

        Fixed parameters are filled in without a call; a bool has the `values` (False, True).

        Raises:
            ValueError: `choose` returned a value outside the parameter's range.
        """
        params: Params = {}
        for parameter in self.parameters:
            if self.is_active(parameter, params):
                chosen = parameter.at(0) if parameter.kind == "fixed" else choose(parameter)
                params[parameter.name] = parameter.canonical(chosen)
        return params

    def problems(self, params: Mapping[str, Any]) -> list[str]:
        """Return why `params` is not a valid complete configuration; empty if it is one."""
        found = [f"{name}: unknown parameter" for name in params if name not in self]
        for parameter in self.parameters:
            found += self._parameter_problems(parameter, params)
        if not found and self.is_forbidden(params):
            clause = conditions.describe(self._forbidding(params) or {})
            found.append(f"{clause}: this combination is forbidden")
        return found

    def _parameter_problems(self, parameter: Parameter, params: Mapping[str, Any]) -> list[str]:
        name = parameter.name
        active = self.is_active(parameter, params)
        if name not in params:
            return [f"{name}: missing: {parameter.allowed}"] if active else []
        if not active:
            return [f"{name}: {show(params[name])}: not active here: {self.needs(parameter)}"]
        if parameter.find(params[name]) is None:
            return [f"{name}: {show(params[name])}: {parameter.allowed}"]
        return []

    def needs(self, parameter: Parameter) -> str:
        """Return the conditions of `parameter` in words."""
        parts = (f"{item.parent} to be {_one_of(item.values)}" for item in parameter.when)
        return f"needs {' and '.join(parts)}"

    def complete_fixed(self, params: Mapping[str, Value]) -> Params:
        """Return `params` with the fixed parameters that are active in it."""
        filled = dict(params)
        for parameter in self.parameters:
            if parameter.kind == "fixed" and self.is_active(parameter, filled):
                filled.setdefault(parameter.name, parameter.at(0))
        return filled

    def is_forbidden(self, params: Mapping[str, Value]) -> bool:
        """Whether `params` contains one of the forbidden combinations."""
        return self._forbidding(params) is not None

    def _forbidding(self, params: Mapping[str, Value]) -> Params | None:
        held = (
            number
            for name, value in params.items()
            for number in self._clauses.get((name, isinstance(value, bool), value), ())
            if _holds(self.forbid[number], params)
        )
        first = min(held, default=None)
        return None if first is None else self.forbid[first]

    @cached_property
    def _clauses(self) -> dict[tuple[str, bool, Value], list[int]]:
        """The indices of the forbidden combinations, by the first value of each."""
        found: dict[tuple[str, bool, Value], list[int]] = {}
        for number, clause in enumerate(self.forbid):
            name, value = next(iter(clause.items()))
            found.setdefault((name, isinstance(value, bool), value), []).append(number)
        return found

    def cardinality(self) -> int | None:
        """Return the number of configurations, including forbidden ones; None if infinite."""
        return self._count.total

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Names of parameters whose conditions can never hold together."""
        return tuple(name for name in self.names if name not in self._count.reached)

    @cached_property
    def _count(self) -> counting.Count:
        return counting.count(self.parameters)

    def configurations(self) -> Iterator[Params]:
        """Yield every allowed configuration of a finite space, the last parameter varying fastest.

        Raises:
            ValueError: the space is infinite.
        """
        if self.cardinality() is None:
            raise ValueError(f"an infinite space cannot be listed: {self.infinite_reason()}")
        return (params for params in self._all() if not self.is_forbidden(params))

    @property
    def is_finite(self) -> bool:
        """Whether the configurations can be listed."""
        return self.cardinality() is not None

    def _all(self) -> Iterator[Params]:
        # A stack, because a space may hold more parameters than Python's recursion allows.
        stack: list[Iterator[Params]] = [iter([{}])]
        while stack:
            params = next(stack[-1], None)
            if params is None:
                stack.pop()
            elif len(stack) > len(self.parameters):
                yield params
            else:
                stack.append(self._choices(self.parameters[len(stack) - 1], params))

    def _choices(self, parameter: Parameter, params: Params) -> Iterator[Params]:
        if not self.is_active(parameter, params):
            return iter([params])
        return (
            {**params, parameter.name: parameter.at(index)} for index in range(parameter.size or 0)
        )

    def infinite_reason(self) -> str:
        """Return why an infinite space is infinite."""
        names = [parameter.name for parameter in self.parameters if parameter.size is None]
        return f"{', '.join(names)} (float without step)" if names else "conditions too entangled"

    def key(self, params: Mapping[str, Value]) -> str:
        """Return one text for each configuration, to find duplicates: JSON sorted by name."""
        plain = {name: self._plain(name, value) for name, value in params.items()}
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def _plain(self, name: str, value: Value) -> Value:
        found = self[name].find(value) if name in self else None
        return value if found is None else found

    def to_json(self) -> dict[str, Any]:
        """Return `{"parameters": {name: definition}, "forbid": [...]}` as JSON values."""
        return {
            "parameters": {item.name: definition.to_json(item) for item in self.parameters},
            "forbid": [dict(clause) for clause in self.forbid],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Invert `to_json`; the order of keys does not matter for validity.

        Raises:
            SpecError: a definition is not valid.
        """
        problems = Problems()
        # A hypermodel's space is empty until a trial has found some of it.
        given = data.get("parameters")
        parameters = {} if given == {} else definition.parse_all(given, (), problems)
        forbid = conditions.parse_forbid(
            data.get("forbid", []), list(parameters), parameters, problems
        )
        if len(problems):
            raise SpecError("\n".join(f"search space: {problem.text}" for problem in problems))
        return cls(parameters=tuple(parameters.values()), forbid=forbid)


def _parents_first(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    given = list(parameters)
    if len({parameter.name for parameter in given}) != len(given):
        raise ValueError("two parameters have the same name")
    missing = [len(_parents(item)) for item in given]
    below: dict[str, list[int]] = {}
    for index, item in enumerate(given):
        for parent in _parents(item):
            below.setdefault(parent, []).append(index)
    # Always the first of those whose parents are placed.
    ready = [index for index, count in enumerate(missing) if not count]
    ordered: list[Parameter] = []
    while ready:
        ordered.append(given[heapq.heappop(ready)])
        for index in below.get(ordered[-1].name, ()):
            missing[index] -= 1
            if not missing[index]:
                heapq.heappush(ready, index)
    if len(ordered) < len(given):
        stuck = ", ".join(item.name for item, count in zip(given, missing, strict=True) if count)
        raise ValueError(f"conditions form a circle or name unknown parents: {stuck}")
    return tuple(ordered)


def _parents(parameter: Parameter) -> set[str]:
    return {condition.parent for condition in parameter.when}


def _holds(clause: Params, params: Mapping[str, Value]) -> bool:
    return all(name in params and is_same(params[name], value) for name, value in clause.items())


def _one_of(values: tuple[Value, ...]) -> str:
    return show(values[0]) if len(values) == 1 else f"one of {show_all(values)}"
