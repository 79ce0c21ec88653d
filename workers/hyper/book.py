"""What is known about a hypermodel's hyperparameters: by the study, and found by this trial.

A hyperparameter is identified by its name and its conditions, as in KerasTuner: one name may have
different ranges under different conditions. The first keeps the name; a further one is called
`<name>.<value of its innermost condition>`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuner.protocol import (
    MAX_FOUND,
    Found,
    branch_name,
    dotted_name,
    found_problem,
    free_name,
)
from workers.hyper.definition import default_value, define, model_value, range_text, values_in
from workers.hyper.problem import HypermodelError

When = dict[str, list[Any]]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A hyperparameter and its parameter in the search space."""

    hp: Any
    found: Found
    #: The definition that values are taken from: the user's if the spec has one.
    definition: Mapping[str, Any]


class Book:
    """The parameters of one trial's hypermodel. Mutable: it grows as the model names them.

    Args:
        known: what the study knows; an entry without source was defined by the user and never
            found.
        params: the trial's, by our names.
        tell: sends what was found to the worker.
    """

    def __init__(
        self,
        known: Sequence[Found],
        params: Mapping[str, Any],
        tell: Callable[[list[Found]], None],
    ) -> None:
        self.params = params
        #: Values that the trial used and its params lack, by our names.
        self.late: dict[str, Any] = {}
        self._known = {entry.name: entry for entry in known}
        self._entries: list[Entry] = []
        self._untold: dict[str, Found] = {}
        self._tell = tell
        self._is_direct = False

    @property
    def is_new(self) -> bool:
        """Whether no trial of the study has found any of the hypermodel's parameters yet."""
        return not any(entry.source for entry in self._known.values())

    @property
    def sources(self) -> list[str]:
        """The names that the model has used so far, in order."""
        return list(dict.fromkeys(entry.hp.name for entry in self._entries))

    def unmet(self) -> list[str]:
        """Return the parameters that the user defined and this trial has not found."""
        met = {entry.found.name for entry in self._entries}
        given = (name for name, entry in self._known.items() if not entry.source)
        return [name for name in given if name not in met]

    def meet(self, hp: Any, active: Mapping[str, Any]) -> Entry | None:
        """Return the parameter for a hyperparameter; a new one is recorded.

        Args:
            hp: the hyperparameter that the model registers.
            active: the values that the model has been given so far, by its own names.

        Returns:
            None if the hyperparameter can never be active in this search space.

        Raises:
            HypermodelError: the search space cannot hold it, or the model does not allow the given
                definition.
        """
        for entry in self._entries:
            if entry.hp.name == hp.name and entry.hp.conditions == hp.conditions:
                return entry
        when = self._when(hp, active)
        if when is None:
            return None
        entry = self._enter(hp, when)
        self._entries.append(entry)
        return entry

    def take(self, entry: Entry, hp: Any) -> Any:
        """Return the trial's value of an active hyperparameter, in the form for the model.

        Raises:
            HypermodelError: the model does not allow the trial's value.
        """
        name = entry.found.name
        handed = self.peek(entry, hp)
        if name in self._untold and name in self.params:
            self._untold[name] = replace(entry.found, value=self.params[name])
        elif name not in self.params and name not in self.late:
            self.late[name] = default_value(hp, entry.definition)
            self._untold[name] = replace(entry.found, value=self.late[name])
        return handed

    def peek(self, entry: Entry, hp: Any) -> Any:
        """Return what `take` would, without recording that the trial uses it.

        Raises:
            HypermodelError: as `take`.
        """
        name = entry.found.name
        if name in self.params:
            return self._fit(entry, hp, self.params[name])
        return self._fit(entry, hp, default_value(hp, entry.definition))

    def flush(self) -> None:
        """Send what was found; from now on each one is sent as soon as it is found."""
        self._is_direct = True
        self.settle()

    def settle(self) -> None:
        """Send what was found, once the first ones were sent."""
        if self._is_direct and self._untold:
            self._tell(list(self._untold.values()))
            self._untold.clear()

    def _enter(self, hp: Any, when: When) -> Entry:
        definition = define(hp) | ({"when": when} if when else {})
        known = self._find(hp.name, when)
        if known is not None and known.source:
            return Entry(hp=hp, found=known, definition=known.definition)
        if known is not None:
            found = Found(name=known.name, source=hp.name, definition=definition)
            entry = Entry(hp=hp, found=found, definition=known.definition)
            self._check_given(entry)
        else:
            name = self._name(hp, when)
            entry = Entry(
                hp=hp,
                found=Found(name=name, source=hp.name, definition=definition),
                definition=definition,
            )
        self._check_sendable(entry.found)
        self._untold[entry.found.name] = entry.found
        return entry

    def _find(self, source: str, when: When) -> Found | None:
        """Return what the study knows about a hyperparameter; None: nothing."""
        same = [entry for entry in self._known.values() if entry.source == source]
        for entry in same:
            if _is_part(entry.definition.get("when") or {}, when):
                return entry
        taken = {entry.found.name for entry in self._entries}
        words: tuple[str, ...] = (source, dotted_name(source))
        # A further definition, even if this trial was the first to find the other one.
        if when and (same or any(entry.hp.name == source for entry in self._entries)):
            words = (branch_name(dotted_name(source), _innermost(when)),)
        for word in words:
            given = self._known.get(free_name(word, taken))
            if given is not None and not given.source:
                return given
        return None

    def _name(self, hp: Any, when: When) -> str:
        taken = {*self._known, *(entry.found.name for entry in self._entries)}
        name = dotted_name(hp.name)
        sources = {entry.name: entry.source for entry in self._known.values()}
        sources |= {entry.found.name: entry.hp.name for entry in self._entries}
        if sources.get(name) == hp.name and when:
            name = branch_name(name, _innermost(when))
        return free_name(name, taken)

    def _when(self, hp: Any, active: Mapping[str, Any]) -> When | None:
        """Return the conditions in our names; None if they cannot hold."""
        when: When = {}
        for condition in hp.conditions:
            parent = self._parent(hp, condition, active)
            if parent is None:
                return None
            # The model's own values, so that a trial finds again what an earlier one has found.
            values = values_in(parent.hp, parent.found.definition, condition.values)
            name = parent.found.name
            if name in when:
                values = [value for value in when[name] if value in values]
            if not values:
                return None
            when[name] = values
        return when

    def _parent(self, hp: Any, condition: Any, active: Mapping[str, Any]) -> Entry | None:
        """Return the intended definition of a condition's parent, None if that is ambiguous."""
        entries = [entry for entry in self._entries if entry.hp.name == condition.name]
        within = [e for e in entries if all(c in hp.conditions for c in e.hp.conditions)]
        if within:
            return max(within, key=lambda entry: len(entry.hp.conditions))
        holding = [e for e in entries if all(c.is_active(active) for c in e.hp.conditions)]
        return next(iter(holding or (entries if len(entries) == 1 else ())), None)

    def _fit(self, entry: Entry, hp: Any, value: Any) -> Any:
        """Return the trial's value for the model; the range is that at the time of finding."""
        found, here = _plain(entry.found.definition), define(hp)
        if here != found:
            # The last line is shown in tables, and is the same in every trial with this fault.
            raise HypermodelError(
                f"{hp.name}: {range_text(here)} here, and {range_text(found)} when it was found\n"
                f"{hp.name}: its range is not the same in every call of the hypermodel: give it "
                "the widest one, or each range a name or a conditional_scope of its own"
            )
        try:
            return model_value(hp, value)
        except HypermodelError as exc:
            raise HypermodelError(f"search_space: {exc}; change it there") from None

    def _check_given(self, entry: Entry) -> None:
        """Check that the user's definition is within the model's.

        Raises:
            HypermodelError: it does not.
        """
        given = entry.definition
        ends = [given[key] for key in ("low", "high", "value") if key in given]
        if given["type"] == "bool":
            ends = [False, True]
        for value in (*ends, *given.get("values", ())):
            try:
                model_value(entry.hp, value)
            except HypermodelError as exc:
                name = entry.found.name
                raise HypermodelError(
                    f"search_space.{name} does not fit the model: {exc}"
                ) from None

    def _check_sendable(self, found: Found) -> None:
        if problem := found_problem(found):
            raise HypermodelError(
                f"{problem}; give the hyperparameter a shorter name, or fewer values"
            )
        names = {*self._known, *(entry.found.name for entry in self._entries), found.name}
        if len(names) > MAX_FOUND:
            raise HypermodelError(
                f"more than {MAX_FOUND} hyperparameters, {found.source!r} is one too many: if its "
                "name holds a number that differs from call to call, give it one name"
            )


def _is_part(known: When, when: When) -> bool:
    """Whether conditions are equal, or the known one is a part: its parent may be narrowed."""
    return known.keys() == when.keys() and all(
        value in when[name] for name, values in known.items() for value in values
    )


def _innermost(when: When) -> Any:
    return next(reversed(when.values()))[0]


def _plain(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key != "when"}
