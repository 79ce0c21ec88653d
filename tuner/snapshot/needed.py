"""Finds the files of a folder that a trial may load, without running anything."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.snapshot.imports import find_exported, find_imports, find_scripts
from tuner.snapshot.syntax import Trees

#: Content by path, relative to the folder and with slashes.
Files = Mapping[str, bytes]

_INIT = "__init__"


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a module lies: its files (several if there is a compiled version beside the source)."""

    files: tuple[str, ...]
    is_package: bool


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A source to be followed: `package` is the base of its relative imports."""

    path: str
    package: str
    is_script: bool = False


@dataclass(frozen=True, kw_only=True)
class Code:
    """The files that an objective needs; `scripts` are those that it starts as programs."""

    files: frozenset[str]
    scripts: frozenset[str]


def needed_files(files: Files, modules: Sequence[str], named: Sequence[str] = ()) -> frozenset[str]:
    """Return the files found by `find_code`."""
    return find_code(files, modules, Trees(), named).files


def find_code(
    files: Files, modules: Sequence[str], trees: Trees, named: Sequence[str] = ()
) -> Code:
    """Return the files of the folder that importing the modules may load.

    It follows the imports of every module that it finds, resolving them as Python does with the
    folder first on its path: packages with and without `__init__`, a package before a module of the
    same name. A string like `train.py` names a script of the folder, which is followed as well.
    Names that are built at run time, or a changed path, are not detected.

    Args:
        modules: dotted names.
        trees: cache of parsed sources, for a second search in nearly the same files.
        named: texts that may name files of the folder, such as a command's scripts and settings.
    """
    return _Search(files, trees).run(modules, named)


class _Search:
    """One search. Mutable: it collects results."""

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
        self._scripts: set[str] = set()
        self._seen: set[str] = set()
        self._open: list[_Source] = []

    def run(self, modules: Sequence[str], named: Sequence[str]) -> Code:
        for module in modules:
            self._load(module)
        for text in named:
            self._start(text, "")
        while self._open:
            source = self._open.pop()
            tree = self._trees.of(self._files[source.path], as_script=source.is_script)
            if tree is not None:
                self._follow(source, tree)
        return Code(files=frozenset(self._found), scripts=frozenset(self._scripts))

    def _follow(self, source: _Source, tree: ast.Module) -> None:
        for text in find_scripts(tree):
            self._start(text, posixpath.dirname(source.path))
        for item in find_imports(tree, source.package):
            if source.is_script and source.package and item.module:
                # It finds modules in its own folder first.
                self._load(f"{source.package}.{item.module}")
            target = self._load(item.module) if item.module else _Place(files=(), is_package=True)
            if target is None or not target.is_package:
                continue
            names = [n for n in item.names if n != "*"]
            if "*" in item.names:
                names += self._exported(target)
            for inner in names:
                self._load(f"{item.module}.{inner}" if item.module else inner)

    def _start(self, text: str, folder: str) -> None:
        """Record a script, named relative to the top folder or to the folder of the module."""
        for name in {posixpath.normpath(text), posixpath.normpath(posixpath.join(folder, text))}:
            if name in self._files and name not in self._scripts:
                self._scripts.add(name)
                self._found.add(name)
                package = posixpath.dirname(name).replace("/", ".")
                self._open.append(_Source(path=name, package=package, is_script=True))

    def _load(self, module: str) -> _Place | None:
        """Record what importing `module` loads: its packages, then itself. Return where it lies."""
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
                package = name if place.is_package else name.rpartition(".")[0]
                self._open += [
                    _Source(path=path, package=package)
                    for path in place.files
                    if path.endswith(".py")
                ]
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
        # A compiled module takes precedence if it fits the machine, which cannot be known here.
        found = [*self._compiled.get(base, ())]
        found += [name for suffix in (".py", ".pyc") if (name := base + suffix) in self._files][:1]
        return tuple(found)

    def _exported(self, place: _Place) -> list[str]:
        trees = [self._trees.of(self._files[path]) for path in place.files if path.endswith(".py")]
        return [name for tree in trees if tree is not None for name in find_exported(tree)]
