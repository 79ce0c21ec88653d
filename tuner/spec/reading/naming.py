"""Reading `sampler` and `pruner`: the name says which keys the section has."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from tuner.errors import SetupError
from tuner.registry import Extension, Registry
from tuner.registry.extension import MAX_OPTION_CHARS
from tuner.space import Problems
from tuner.space.problem import did_you_mean
from tuner.space.value import show_all
from tuner.spec.parts import Named
from tuner.spec.reading.sections import read_section

NamedT = TypeVar("NamedT", bound=Named)

#: Keys that every section has in addition to its options.
_COMMON = ("name", "seed")
#: Maximum number of options of a stored section whose package is not installed: no extension has
#: more.
_MAX_KEPT = 100


def read_named(
    model: type[NamedT],
    data: Mapping[str, Any],
    registry: Registry,
    problems: Problems,
    *,
    is_kept: bool = False,
) -> NamedT | None:
    """Return the section of a sampler or pruner, or None if there are problems.

    Args:
        data: the spec; a plain text in place of the section is the name.
        registry: what may be named; its noun is the section's key.
        problems: collects what is wrong.
        is_kept: the section was checked when it was stored, so a name that Tuner does not know is
            accepted.
    """
    key = registry.noun
    given = data.get(key)
    if given is None:
        return model()
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, Mapping):
        return read_section(model, given, (key,), problems)
    name = given.get("name")
    name = model.model_fields["name"].default if name is None else name
    before = len(problems)
    if is_kept and isinstance(name, str) and name not in registry.built_in:
        plain, extra = _split(model, given, given)
        section = read_section(model, plain, (key,), problems)
        extra = {k: v for k, v in list(extra.items())[:_MAX_KEPT] if _is_plain(v)}
        return None if section is None else _with(section, extra)
    found = _find(registry, name, problems)
    if found is None:
        # Which other keys exist depends on the name; the common ones are checked in any case.
        shared = {k: v for k, v in given.items() if k != "name" and k in model.model_fields}
        read_section(model, shared, (key,), problems)
        return None
    common = tuple(part for part in _COMMON if part in model.model_fields)
    plain, extra = _split(model, given, found.own)
    section = read_section(model, plain, (key,), problems, known=(*common, *found.keys))
    for option, value in extra.items():
        if not found.own[option].takes(value):
            problems.wrong((key, option), value, found.own[option].allowed)
    return None if section is None or len(problems) > before else _with(section, extra)


def _split(
    model: type[Named], given: Mapping[str, Any], own: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the part for the model to check, and the keys that only this extension has."""
    fields = model.model_fields
    extra = {k: v for k, v in given.items() if k in own and k not in fields and v is not None}
    plain = {k: v for k, v in given.items() if k in fields or k not in own}
    return plain, extra


def _with(section: NamedT, extra: Mapping[str, Any]) -> NamedT:
    given = section.model_dump(exclude_unset=True)
    return type(section).model_validate({**given, **extra})


def _find(registry: Registry, name: Any, problems: Problems) -> Extension | None:
    """Return the named extension; report an unknown name or a package that cannot be used."""
    where = (registry.noun, "name")
    if not isinstance(name, str) or name not in registry:
        problems.wrong(where, name, functools.partial(_choices, registry, name))
        return None
    try:
        return registry.find(name)
    except SetupError as exc:
        problems.wrong(where, name, str(exc))
        return None


def _choices(registry: Registry, name: Any) -> str:
    listed = registry.names
    left_out = [f"; {text}" for text in registry.problems() if f" {name!r} " in text]
    return f"{did_you_mean(name, listed)}one of {show_all(listed, at_most=20)}{''.join(left_out)}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_OPTION_CHARS
    return isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
