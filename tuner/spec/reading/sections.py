"""Checks a part of a document against its model; words pydantic's errors as problems."""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from tuner.space import Path, Problems
from tuner.space.problem import did_you_mean
from tuner.space.value import show_all
from tuner.spec.section import Section

SectionT = TypeVar("SectionT", bound=Section)

#: Keys that a later release will add, by field name, with what to write until then.
LATER_KEYS: dict[str, str] = {
    "budget.gpu_hours": "give hours or trials",
}
LATER = "comes with a later release"


def read_section(
    model: type[SectionT],
    data: Any,
    path: Path,
    problems: Problems,
    *,
    known: Iterable[str] | None = None,
) -> SectionT | None:
    """Return `data` as `model`, or None if there are problems.

    Args:
        data: plain values; null counts as missing for a key that may be left out.
        path: the path of `data` in the document.
        problems: collects what is wrong.
        known: the allowed keys, by default all of the model's.
    """
    keys = list(model.model_fields if known is None else known)
    if not isinstance(data, Mapping):
        problems.wrong(path, data, f"a mapping with keys {', '.join(keys)}")
        return None
    before = len(problems)
    given = {
        key: value for key, value in data.items() if not _report_later_key(path, key, problems)
    }
    problems.unknown_keys(path, given, keys)
    usable = {
        key: value
        for key, value in given.items()
        if key in keys and (value is not None or model.model_fields[key].is_required())
    }
    try:
        section = model.model_validate(usable)
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_context=False):
            _report(model, error["type"], error["loc"], error["input"], path, problems)
        return None
    return section if len(problems) == before else None


def _report_later_key(path: Path, key: str, problems: Problems) -> bool:
    instead = LATER_KEYS.get(".".join([*(str(part) for part in path), key]))
    if instead is None:
        return False
    problems.key((*path, key), LATER, instead)
    return True


def _report(
    model: type[Section], kind: str, loc: Path, value: Any, path: Path, problems: Problems
) -> None:
    field = model.model_fields[str(loc[0])]
    where = (*path, *loc)
    if kind == "missing":
        problems.missing(where, functools.partial(_allowed, field, None))
        return
    problems.wrong(where, value, functools.partial(_allowed, field, value))


def _allowed(field: FieldInfo, value: Any) -> str:
    if field.description:
        return field.description
    choices = [str(choice) for choice in _choices(field.annotation)]
    return f"{did_you_mean(value, choices)}one of {show_all(choices)}"


def _choices(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()
