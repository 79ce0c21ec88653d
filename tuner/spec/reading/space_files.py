"""Search spaces in files of their own: a path, or `{include: [...], override: {...}}`.

Everything is inlined into the spec's document, and each value keeps its original position.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from tuner.errors import SpecError
from tuner.space import Problems
from tuner.space.problem import Path
from tuner.space.value import show
from tuner.spec.reading.document import YamlDocument
from tuner.spec.reading.yaml_file import is_file, read_document

MAX_INCLUDES = 50

_HERE: Path = ("search_space",)
_PATH = "the path of an existing YAML file, relative to the spec's folder"
_INCLUDE = f"a list of 1 to {MAX_INCLUDES} paths of YAML files, relative to the spec's folder"


def inline_space(document: YamlDocument, folder: FilePath, problems: Problems) -> list[str]:
    """Replace a path or an include in `document`; return a line for each unreadable file.

    If there are lines or new problems, the search space is not usable.
    """
    given = document.data.get("search_space")
    if isinstance(given, str):
        return _inline(document, folder, [(_HERE, given)], {}, problems)
    if not isinstance(given, Mapping) or not {"include", "override"} & given.keys():
        return []
    before = len(problems)
    problems.unknown_keys(_HERE, dict(given), ("include", "override"))
    override = given.get("override") or {}
    if not isinstance(override, Mapping):
        problems.wrong(
            (*_HERE, "override"), override, "a mapping of parameter names to definitions"
        )
    include = given.get("include")
    paths = [include] if isinstance(include, str) else include
    if not isinstance(paths, list) or not 1 <= len(paths) <= MAX_INCLUDES:
        problems.wrong((*_HERE, "include"), include, _INCLUDE)
        return []
    if len(problems) > before:
        return []
    places: list[tuple[Path, Any]] = [
        ((*_HERE, "include", index), path) for index, path in enumerate(paths)
    ]
    return _inline(document, folder, places, dict(override), problems)


def _inline(
    document: YamlDocument,
    folder: FilePath,
    places: list[tuple[Path, Any]],
    override: dict[str, Any],
    problems: Problems,
) -> list[str]:
    before = len(problems)
    unreadable: list[str] = []
    sources: dict[str, YamlDocument] = {}
    definitions: dict[str, Any] = {}
    for path, name in places:
        if not isinstance(name, str) or not is_file(folder / name):
            problems.wrong(path, name, _PATH)
            continue
        try:
            included = _read_space_file(folder, name, document.source)
        except SpecError as exc:
            unreadable.append(str(exc))
            continue
        for key, definition in included.data.items():
            if _conflicts(key, definition, definitions, override):
                first = sources[key].mark((key,), at_key=True)
                allowed = f"defined in another way at {first}; settle it in override"
                document.graft((*path, key), included, (key,))
                problems.key((*path, key), "two definitions", allowed)
            definitions[key] = definition
            sources[key] = included
    if not unreadable and len(problems) == before:
        _replace(document, definitions, sources, override)
    return unreadable


def _read_space_file(folder: FilePath, name: str, source: str) -> YamlDocument:
    included = read_document(folder / name, os.path.normpath(FilePath(source).parent / name))
    if not isinstance(included.data, Mapping) or not included.data:
        mark = included.mark(())
        allowed = "a mapping of parameter names to definitions"
        raise SpecError(f"{mark}: {show(included.data)}: {allowed}")
    return included


def _conflicts(
    key: str, definition: Any, definitions: dict[str, Any], override: dict[str, Any]
) -> bool:
    settled = isinstance(override.get(key), Mapping) and "type" in override[key]
    return key in definitions and definitions[key] != definition and not settled


def _replace(
    document: YamlDocument,
    definitions: dict[str, Any],
    sources: dict[str, YamlDocument],
    override: dict[str, Any],
) -> None:
    """Put the definitions, changed by `override`, in place of the include."""
    own = YamlDocument(
        source=document.source,
        data=None,
        values=dict(document.values),
        keys=dict(document.keys),
    )
    where = document.mark(_HERE)
    document.graft(_HERE, YamlDocument(source=document.source, data=None, values={(): where}), ())
    for key, included in sources.items():
        document.graft((*_HERE, key), included, (key,))
    merged = dict(definitions)
    for key, change in override.items():
        place: Path = (*_HERE, "override", key)
        old = merged.get(key)
        # A change without a type keeps the keys that it does not name; one with a type is a new
        # definition.
        if isinstance(old, Mapping) and isinstance(change, Mapping) and "type" not in change:
            merged[key] = {**old, **change}
            for part in change:
                document.graft((*_HERE, key, part), own, (*place, part))
        else:
            merged[key] = change
            document.graft((*_HERE, key), own, place)
    document.data = {**document.data, "search_space": merged}
