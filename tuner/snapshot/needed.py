"""Which files of a folder an objective can import, found without running anything."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from tuner.snapshot.imports import find_exported, find_imports
from tuner.snapshot.syntax import Trees

#: Content by path, relative to the folder and with slashes.
Files = Mapping[str, bytes]

_INIT = "__init__"


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a module lies: its files (several where a compiled twin stands beside the source)."""

    files: tuple[str, ...]
    is_package: bool


def objective_module(objective: str) -> str:
    """Return the module of `module:function`, or of `hypermodel:module:Name`."""
    parts = objective.split(":")
    return parts[1] if len(parts) == 3 else parts[0]


def needed_files(files: Files, module: str, trees: Trees | None = None) -> frozenset[str]:
    """Return the files that importing `module` can come to load from the folder.

    It follows the imports of every module that it finds, and finds them as Python does, the folder
    being first on its path: packages with and without `__init__`, a package before a module of the
    same name. What is built at run time (a name put together, a changed path) is not seen.

    Args:
        files: of the folder.
        module: dotted name.
        trees: where parsed sources are kept, for a second search in nearly the same files.
    """
    return _Search(files, trees or Trees()).run(module)


class _Search:
    """One search. Mutable: it collects."""

    def __init__(self, files: Files, trees: Trees) -> None:
        self._files = files
        self._trees = trees
        self._compiled: dict[str, list[str]] = {}
        self._folders: set[str] = set()
        for path in files:
            folder, name = posixpath.split(path)
            if name.endswith(".so"):
                stem = posixpath.join(folder, name.partition(".")[0])
                self._compiled.setdefault(stem, []).append(path)
            while folder and folder not in self._folders:
                self._folders.add(folder)
                folder = posixpath.dirname(folder)
        self._found: set[str] = set()
        self._seen: set[str] = set()
        self._open: list[tuple[str, _Place]] = []

    def run(self, module: str) -> frozenset[str]:
        self._load(module)
        while self._open:
            name, place = self._open.pop()
            for path in place.files:
                if path.endswith(".py"):
                    self._follow(name, path, place)
        return frozenset(self._found)

    def _follow(self, name: str, path: str, place: _Place) -> None:
        tree = self._trees.of(self._files[path])
        if tree is None:
            return
        package = name if place.is_package else name.rpartition(".")[0]
        for item in find_imports(tree, package):
            target = self._load(item.module) if item.module else _Place(files=(), is_package=True)
            if target is None or not target.is_package:
                continue
            names = [n for n in item.names if n != "*"]
            if "*" in item.names:
                names += self._exported(target)
            for inner in names:
                self._load(f"{item.module}.{inner}" if item.module else inner)

    def _load(self, module: str) -> _Place | None:
        """Note what importing `module` loads: its packages, then itself. Return where it lies."""
        parts = module.split(".")
        place = None
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            place = self._locate("/".join(parts[:depth]))
            if place is None:
                return None
            if name not in self._seen:
                self._seen.add(name)
                self._found.update(place.files)
                self._open.append((name, place))
            if not place.is_package and depth < len(parts):
                return None
        return place

    def _locate(self, base: str) -> _Place | None:
        if package := self._files_of(f"{base}/{_INIT}"):
            return _Place(files=package, is_package=True)
        if module := self._files_of(base):
            return _Place(files=module, is_package=False)
        return _Place(files=(), is_package=True) if base in self._folders else None

    def _files_of(self, base: str) -> tuple[str, ...]:
        # A compiled one comes first where it fits the machine, which cannot be known here.
        found = [*self._compiled.get(base, ())]
        found += [name for suffix in (".py", ".pyc") if (name := base + suffix) in self._files][:1]
        return tuple(found)

    def _exported(self, place: _Place) -> list[str]:
        trees = [self._trees.of(self._files[path]) for path in place.files if path.endswith(".py")]
        return [name for tree in trees if tree is not None for name in find_exported(tree)]
