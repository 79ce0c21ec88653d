"""Reads the key `history` of a spec."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Any

from tuner.space import Path, Problems
from tuner.space.problem import did_you_mean
from tuner.space.value import show_all
from tuner.spec.history import (
    AUTO,
    History,
    HistoryItem,
    is_study,
    unresolved_paths,
    without_passwords,
)
from tuner.spec.reading.sections import read_section

MAX_ITEMS = 1000

_KEY: Path = ("history",)
_WORDS = ("auto", "none")
_ALLOWED = (
    "auto, none, or a list of studies and paths, as "
    "[vision/digits-mlp, {path: ../old-logs, rename: {lr: train.learning_rate}}, auto]"
)
_ITEM = (
    "auto, a study as vision/digits-mlp, a path as ../old-logs, or a mapping with one of study, "
    "path, auto, and weight, rename"
)
_PLACES = ("study", "path", "auto")
_OPTIONS = ("weight", "rename")


def read_history(given: Any, names: Collection[str] | None, problems: Problems) -> History:
    """Return the value of the key; entries with a problem are left out.

    Args:
        given: the value, None if the key is missing.
        names: parameters and metrics of the study, which are the valid targets of a rename; None if
            they could not be read.
        problems: collects what is wrong.
    """
    given = without_passwords(given)
    if given is None or given == "auto":
        return AUTO
    if given == "none":
        return ()
    if isinstance(given, Mapping):
        item = _read_item(given, _KEY, names, problems)
        return () if item is None else (item,)
    if not isinstance(given, list) or len(given) > MAX_ITEMS:
        near = did_you_mean(given, _WORDS) if isinstance(given, str) else ""
        problems.wrong(_KEY, given, near + _ALLOWED)
        return ()
    return _read_list(given, names, problems)


def check_resolved(history: History, problems: Problems) -> None:
    """Report relative paths in a spec that did not come from a file."""
    for index in unresolved_paths(history):
        allowed = "an absolute path: others are resolved where the spec is submitted"
        problems.wrong((*_KEY, index, "path"), history[index].path, allowed)


def _read_list(given: list[Any], names: Collection[str] | None, problems: Problems) -> History:
    before = len(problems)
    items: list[HistoryItem] = []
    places: dict[str, int] = {}
    for index, value in enumerate(given):
        path = (*_KEY, index)
        item = _read_item(value, path, names, problems)
        if item is not None and item.place in places:
            first = f"history[{places[item.place]}]"
            problems.wrong(path, value, f"another place than {first}; name each one once")
        elif item is not None:
            places[item.place] = len(items)
            items.append(item)
    if items and len(problems) == before and not any(item.weight for item in items):
        problems.wrong(_KEY, given, "something to use beside what is left out, as auto; or none")
    return tuple(items)


def _read_item(
    given: Any, path: Path, names: Collection[str] | None, problems: Problems
) -> HistoryItem | None:
    if isinstance(given, str):
        given = {"auto": True} if given == "auto" else {_place_of(given): given}
    if not isinstance(given, Mapping):
        problems.wrong(path, given, _ITEM)
        return None
    before = len(problems)
    places = [key for key in _PLACES if given.get(key) is not None]
    if len(places) > 1:
        problems.key((*path, places[1]), f"beside {places[0]}", "one of study, path and auto")
    elif not places and given.keys() <= {*_PLACES, *_OPTIONS}:
        problems.wrong(path, given, _ITEM)
    item = read_section(HistoryItem, given, path, problems)
    if names is not None and isinstance(given.get("rename"), Mapping):
        _check_names(given["rename"], (*path, "rename"), names, problems)
    return item if len(problems) == before else None


def _place_of(word: str) -> str:
    return "study" if is_study(word) else "path"


def _check_names(
    renames: Mapping[Any, Any], path: Path, names: Collection[str], problems: Problems
) -> None:
    for old, new in renames.items():
        if isinstance(new, str) and new not in names:
            problems.wrong((*path, old), new, functools.partial(_known, new, names))


def _known(name: str, names: Collection[str]) -> str:
    near = did_you_mean(name, names)
    return f"{near}a parameter or metric of this study: {show_all(names)}; or null"
