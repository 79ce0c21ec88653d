"""Changing the editable part of a study, key by key: `budget.trials`, `parallel`, `pruner`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.errors import SpecError
from tuner.space import Problems
from tuner.space.problem import did_you_mean
from tuner.spec.identity import MAY_CHANGE
from tuner.spec.model import Head, StudySpec
from tuner.spec.parts import Budget, Pruner, TrialLimits
from tuner.spec.reading.history import check_resolved
from tuner.spec.reading.loading import problem_lines
from tuner.spec.reading.sections import LATER, LATER_KEYS
from tuner.spec.reading.study import KEYS, read_spec
from tuner.spec.section import Section

#: The word that removes an optional limit.
NONE = "none"

_SECTIONS: dict[str, type[Section]] = {"budget": Budget, "pruner": Pruner, "trial": TrialLimits}
#: Aliases of keys: changes are shown as they appear in the spec, where a pruner is a mapping.
_ALSO = {"pruner.name": "pruner"}


def _list_keys() -> tuple[str, ...]:
    keys: list[str] = []
    for key in KEYS:
        if key in MAY_CHANGE and key in _SECTIONS:
            names = (f"{key}.{name}" for name in _SECTIONS[key].model_fields)
            keys += [_ALSO.get(name, name) for name in names]
        elif key in MAY_CHANGE:
            keys.append(key)
    return tuple(keys)


#: The keys that `edit_spec` accepts, in the order of the spec.
EDITABLE = _list_keys()


def edit_spec(spec: StudySpec, values: Mapping[str, Any]) -> StudySpec:
    """Return the spec with some keys set to new values.

    Args:
        values: by key in `EDITABLE`, as in a spec file. None and "none" remove an optional limit.
            `pruner` is a name or a mapping, and replaces the whole section.

    Raises:
        SpecError: every problem, one per line: `field: value: what is allowed`.
    """
    problems = Problems()
    document = spec.to_json()
    # A pruner comes before its options, which then belong to the new pruner.
    for key, value in sorted(values.items(), key=lambda item: "." in item[0]):
        name = _ALSO.get(key, key)
        if name in EDITABLE and not (name != key and name in values):
            _set(document, name, value)
        else:
            _refuse(key, problems, twice=name in EDITABLE)
    refused = len(problems)
    edited = read_spec(document, problems, is_stored=True)
    if edited is not None:
        check_resolved(edited.history, problems)
    if edited is None or len(problems):
        lines = [problem.text for problem in problems]
        more = [f"may change: {', '.join(EDITABLE)}"] if refused else []
        raise SpecError(problem_lines([*lines, *more], problems.untold))
    return edited


def is_raised(old: Budget, new: Budget, *, maximize: bool) -> bool:
    """Whether a limit of the new budget is higher than that of the old one, or was removed."""
    pairs = [(getattr(old, name), getattr(new, name)) for name in ("trials", "hours", "patience")]
    pairs.append((old.target, new.target) if maximize else (_negative(old), _negative(new)))
    return any(before is not None and (after is None or after > before) for before, after in pairs)


def _negative(budget: Budget) -> float | None:
    return None if budget.target is None else -budget.target


def _set(document: dict[str, Any], key: str, value: Any) -> None:
    section, _, name = key.partition(".")
    if key == "pruner":
        named = value if isinstance(value, Mapping) else {"name": value or NONE}
        document[key] = dict(named)
        return
    field = (_SECTIONS[section] if name else Head).model_fields.get(name or section)
    if field is not None and value in (None, NONE):
        # Where a limit is required, the reader refuses the word.
        value = None if field.default is None else NONE
    target = document[section] if name else document
    if value is None:
        target.pop(name or section, None)
    else:
        target[name or section] = value


def _refuse(key: str, problems: Problems, *, twice: bool) -> None:
    path = tuple(key.split(".")) if key else ('""',)
    if twice:
        problems.key(path, "given twice", f"it is the same as {_ALSO[key]}")
    elif key in LATER_KEYS:
        problems.key(path, LATER, LATER_KEYS[key])
    elif path[0] in KEYS and path[0] not in MAY_CHANGE:
        problems.key(path, "may not change", "it makes the study what it is")
    elif path[0] in _SECTIONS and len(path) == 1:
        problems.key(path, "a section", f"give its keys one by one, as {key}.{_first(key)}=…")
    else:
        problems.key(path, "unknown key", lambda: did_you_mean(key, EDITABLE).strip())


def _first(section: str) -> str:
    return next(iter(_SECTIONS[section].model_fields))
