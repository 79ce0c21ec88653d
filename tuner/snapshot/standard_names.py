"""Warns of the user's modules that are named like one of Python's own."""

from __future__ import annotations

import sys
from collections.abc import Iterable

#: Python imports these before it looks into any folder, so no file can replace them.
_ALWAYS_PYTHONS = frozenset(
    {
        *sys.builtin_module_names,
        "abc",
        "codecs",
        "encodings",
        "genericpath",
        "importlib",
        "io",
        "ntpath",
        "os",
        "posixpath",
        "site",
        "stat",
        "zipimport",
    }
)


def warn_of_standard_names(files: Iterable[str], needed: Iterable[str]) -> list[str]:
    """Return a sentence for each top-level module that has the name of one of Python's.

    A trial searches the folder first, as `python objectives.py` does.

    Args:
        needed: those of them that the objective may import.
    """
    names: dict[str, list[str]] = {}
    for path in files:
        head, _, rest = path.partition("/")
        if rest.endswith(".py") or (not rest and path.endswith((".py", ".so"))):
            names.setdefault(head.partition(".")[0], []).append(path)
    wanted = set(needed)
    return [
        _sentence(name, paths[0] if len(paths) == 1 else f"{name}/", not wanted.isdisjoint(paths))
        for name, paths in sorted(names.items())
        if name in sys.stdlib_module_names
    ]


def _sentence(name: str, path: str, is_needed: bool) -> str:
    what = f"{path} has the name of Python's own module {name!r}"
    if name in _ALWAYS_PYTHONS:
        return f"{what}, which is imported first: trials never see yours; rename it"
    if is_needed:
        return (
            f"{what}: the objective gets yours, as when it runs by hand, and so does every library "
            f"that imports {name!r} later; rename it if one of them breaks"
        )
    return f"{what}: libraries that import {name!r} in a trial get yours; rename or move it"
