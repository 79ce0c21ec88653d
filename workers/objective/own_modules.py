"""The user's modules in a trial's process: which are loaded, and which take precedence."""

from __future__ import annotations

import importlib.machinery
import itertools
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tuner.protocol import fitting_modules

#: Names that a user's code must not use: it would shadow the code that runs it.
RESERVED = ("tuner", "workers")
#: Where packages are installed.
_INSTALLED = re.compile(r"[/\\](site|dist)-packages[/\\]")
#: Modules that Python imports before it looks into any folder.
_FIRST = (
    *("abc", "codecs", "encodings", "genericpath", "importlib", "io", "os", "posixpath", "site"),
    *("stat", "zipimport", "__main__", *RESERVED),
)


#: In `sys.modules` of a fork, this name comes after the last module that no user's code imported.
_MARK = "workers.objective.inherited"


def mark_inherited() -> None:
    """Note that no user's code has been imported so far, so that forks need not look through it.

    Merely to look at a thousand modules would copy their memory into each fork.
    """
    sys.modules[_MARK] = ModuleType(_MARK)


def loaded_files(code_root: str | None) -> list[str]:
    """Return the files below the code folder that this process has imported, as relative paths.

    At most as many as a message holds; code has far fewer modules and shorter names.
    """
    if code_root is None:
        return []
    start = os.path.join(code_root, "")  # noqa: PTH118 - compared as text
    names = list(itertools.takewhile(lambda name: name != _MARK, reversed(sys.modules)))
    found = {
        path.removeprefix(start)
        for name in names
        if (path := _file_of(sys.modules.get(name))).startswith(start)
    }
    return fitting_modules(sorted(found))


def forget_hidden(code_root: str) -> None:
    """Unload modules of the worker that the user's code replaces with its own.

    `python objectives.py` finds a `statistics.py` next to it before Python's own. Here Python's
    module, or an installed one, may be loaded already, and `import statistics` would use that. Code
    that already imported it keeps it; from now on the name refers to the user's. Only names that
    the user's code imports are unloaded: other files in the folder must not interfere with
    libraries.
    """
    root = Path(code_root)
    names = [name for name in _top_names(root) if _is_elsewhere(name, code_root)]
    if not names:
        return
    texts = [_read(path) for path in root.rglob("*.py")]
    for name in names:
        imports = re.compile(rf"^\s*(from\s+{name}[\s.]|import\s[^#\n]*\b{name}\b)", re.M)
        if any(imports.search(text) for text in texts):
            for known in [key for key in sys.modules if key.partition(".")[0] == name]:
                del sys.modules[known]


def hiding_modules(code_root: Path) -> list[str]:
    """Return a sentence for each module of the folder that hides an installed one of its name.

    Trials import the folder's module, and so do the libraries in them. Names of Python's own
    modules cause a warning when the study is submitted. A package installed from the user's own
    folder (`pip install -e`) is not hidden but the same.
    """
    said = []
    for name in sorted(set(_top_names(code_root)) - sys.stdlib_module_names):
        spec = importlib.machinery.PathFinder.find_spec(name)
        origin = spec.origin if spec is not None else None
        if (
            origin is not None
            and _INSTALLED.search(origin)
            and not origin.startswith(str(code_root))
        ):
            said.append(
                f"module {name!r} of the study's folder hides the installed one ({origin}) from "
                "the objective and from every library in its trials; rename it unless that is meant"
            )
    return said


def _top_names(root: Path) -> Iterator[str]:
    """Yield the modules and packages in the top folder that can be imported by a plain name."""
    for path in root.iterdir():
        name = path.name.removesuffix(".py")
        is_module = path.suffix == ".py" or (path / "__init__.py").is_file()
        if is_module and name.isidentifier() and name not in _FIRST:
            yield name


def _is_elsewhere(name: str, code_root: str) -> bool:
    module = sys.modules.get(name)
    if module is None or name in sys.builtin_module_names:
        return False
    return not _file_of(module).startswith(code_root)


def _file_of(module: ModuleType | None) -> str:
    # Not `getattr`: lazy modules load themselves when any attribute is requested.
    try:
        name = object.__getattribute__(module, "__dict__").get("__file__")
    except AttributeError:
        return ""
    return name if isinstance(name, str) else ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
