"""Which files a folder's code mentions: strings that are a file's name, kind or folder."""

from __future__ import annotations

import ast
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from tuner.snapshot.syntax import parse_live, read_text

#: A call of a function with such a name mentions what it writes, not what it reads.
_WRITES = re.compile(r"(?i)save|write|dump|export|to_|log_|mkdir|makedirs")
_WRITERS = (
    "BackupAndRestore",
    "CSVLogger",
    "FileHandler",
    "ModelCheckpoint",
    "RotatingFileHandler",
    "SummaryWriter",
    "TensorBoard",
    "basicConfig",
    "imsave",
    "imwrite",
    "plot_model",
)


#: A file's name or a part of a path, as it may occur in a source.
_WORD = re.compile(rb"[\w.*%?@+~-]+")


class Mentions:
    """What the sources of a folder mention. Mutable: sources are parsed only when needed.

    Args:
        sources: content by path: Python modules, and texts (configurations, specs) in which every
            word counts.
    """

    def __init__(self, sources: Mapping[str, bytes]) -> None:
        self._sources = sources
        self._words = {word for text in sources.values() for word in _WORD.findall(text)}
        self._ends = {word[word.rindex(b".") :] for word in self._words if b"." in word}
        self._strings: dict[str, frozenset[str]] = {}
        # A folder of images asks the same question thousands of times.
        self._known: dict[tuple[str, str], bool] = {}

    def names_file(self, path: str) -> bool:
        """Return whether some string ends with the file's name."""
        name = posixpath.basename(path)
        raw = os.fsencode(name)
        if _WORD.fullmatch(raw) and raw not in self._words:
            return False
        return any(posixpath.basename(text) == name for text in self._with(name))

    def names_kind(self, path: str) -> bool:
        """Return whether some string is the file's name, a pattern of its kind or its folder."""
        folder, name = posixpath.split(path)
        suffix = posixpath.splitext(name)[1]
        return (
            self._once("kind", suffix, self._names_suffix)
            or self._once("folder", folder, self._names_folder)
            or self.names_file(path)
        )

    def _names_suffix(self, suffix: str) -> bool:
        if not suffix or os.fsencode(suffix) not in self._ends:
            return False
        return any(_is_pattern(text, suffix) for text in self._with(suffix))

    def _names_folder(self, path: str) -> bool:
        folders = set(path.split("/")) - {""}
        return any(folder in text.split("/") for folder in folders for text in self._with(folder))

    def _once(self, what: str, of: str, ask: Callable[[str], bool]) -> bool:
        if (what, of) not in self._known:
            self._known[what, of] = ask(of)
        return self._known[what, of]

    def _with(self, word: str) -> Iterator[str]:
        """Yield the strings that contain `word`."""
        raw = os.fsencode(word)
        for path, source in self._sources.items():
            if raw in source:
                yield from (text for text in self._read(path, source) if word in text)

    def _read(self, path: str, source: bytes) -> frozenset[str]:
        if path not in self._strings:
            self._strings[path] = frozenset(_strings(path, source))
        return self._strings[path]


def _strings(path: str, source: bytes) -> Iterator[str]:
    tree = parse_live(source) if path.endswith(".py") else None
    if tree is None:
        yield from re.split(r"[\s\"',:\[\]{}]+", read_text(source))
    else:
        yield from _read_strings(tree)


def _read_strings(node: ast.AST) -> Iterator[str]:
    """Yield the strings of a tree except those that name what is written."""
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, ast.Call) and _writes(current):
            pending.append(current.func)
            continue
        if isinstance(current, ast.Constant) and isinstance(current.value, str):
            yield current.value
        pending += ast.iter_child_nodes(current)


def _writes(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if isinstance(call.func, ast.Name):
        name = call.func.id
    if name == "open":
        values = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
        modes = [v.value for v in values if isinstance(v, ast.Constant)]
        return any(isinstance(mode, str) and set(mode) & set("wax") for mode in modes)
    return name in _WRITERS or _WRITES.match(name) is not None


def _is_pattern(text: str, suffix: str) -> bool:
    """Return whether a string names a kind: `.png`, `*.png`, `%d.png`, the end of an f-string."""
    stem = text.removesuffix(suffix)
    return stem != text and (not stem or bool(set(stem) & set("*{%?")))
