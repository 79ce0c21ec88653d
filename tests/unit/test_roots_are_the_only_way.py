"""Below log root and checkpoint root nothing is used but through `tuner/roots`.

Every call in `tuner/` and `workers/` that opens, lists, asks after, writes or removes a file by its
path is found in the source. A module that does so without touching the roots stands in `OTHERS`
(`tests/support/hostile/roots_table.py`) with what its files are; of a module that has to do with
the roots each call stands in `CALLS`. What stands in neither fails, and so does what stands there
and is gone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.hostile.roots_table import CALLS, OTHERS

ROOT = Path(__file__).resolve().parents[2]

_OS = {
    "open", "listdir", "scandir", "walk", "fwalk", "stat", "lstat", "unlink", "remove", "rmdir",
    "removedirs", "mkdir", "makedirs", "rename", "renames", "replace", "link", "symlink",
    "readlink", "truncate", "chmod", "chown", "lchown", "mkfifo", "mknod", "utime", "access",
    "chdir", "statvfs",
}  # fmt: skip
_OS_PATH = {
    "exists", "lexists", "isfile", "isdir", "islink", "realpath", "getsize", "getmtime", "samefile",
}  # fmt: skip
_OF_MODULES = {"shutil": {"which", "get_terminal_size"}, "tempfile": {"gettempdir"}}
_METHODS = {
    "open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir", "rmdir",
    "iterdir", "glob", "rglob", "rename", "replace", "touch", "chmod", "lchmod", "symlink_to",
    "hardlink_to", "exists", "is_file", "is_dir", "is_symlink", "is_fifo", "is_mount", "stat",
    "lstat", "resolve", "samefile", "readlink",
}  # fmt: skip
#: Words that only a module that has to do with the roots knows.
_WORDS = {
    "log_root", "checkpoint_root", "run_dir", "checkpoint_dir", "logdir", "Place",
    "remove_folder",
}  # fmt: skip
#: What is a `Place`, beside names that end so: these open by `tuner.roots` themselves.
_PLACES = frozenset({"self._source", "project", "task.run", "self._checkpoints"})


@cache
def modules() -> dict[str, str]:
    """Return the source of every module of the product outside of `tuner/roots`."""
    paths = [*(ROOT / "tuner").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(paths)}
    return {name: text for name, text in sources.items() if not name.startswith("tuner/roots/")}


@cache
def file_calls(source: str) -> list[str]:
    """Return what a module does with files by their paths: each call with its first argument."""
    return sorted({_text(node) for node in _found(ast.parse(source))})


def has_to_do_with_roots(source: str) -> bool:
    """Whether a module knows a path below a root, or where one begins."""
    for node in ast.walk(ast.parse(source)):
        names = {
            ast.Name: lambda n: n.id,
            ast.Attribute: lambda n: n.attr,
            ast.arg: lambda n: n.arg,
            ast.keyword: lambda n: n.arg,
            ast.alias: lambda n: n.name,
        }
        name = names.get(type(node), lambda _node: None)(node)
        if name in _WORDS:
            return True
    return False


def _text(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ast.unparse(node)
    return f"{ast.unparse(node.func)}({', '.join(ast.unparse(arg) for arg in node.args[:1])})"


def _calls_of(module: str) -> set[str]:
    return CALLS[module][1] if module in CALLS else set()


def _found(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil", "tempfile", "io"):
            # By another name they would not be found.
            if {alias.name for alias in node.names} & (_OS | {"rmtree", "copyfile", "open"}):
                yield node
        elif isinstance(node, ast.Import):
            if any(a.asname and a.name in ("os", "shutil", "tempfile") for a in node.names):
                yield node
        elif isinstance(node, ast.Call) and _uses_a_file(node):
            yield node


def _uses_a_file(call: ast.Call) -> bool:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id == "open"
    if not isinstance(function, ast.Attribute):
        return False
    owner, name = ast.unparse(function.value), function.attr
    if owner == "os":
        return name in _OS
    if owner == "os.path":
        return name in _OS_PATH
    if owner in _OF_MODULES:
        return name not in _OF_MODULES[owner]
    return name in _METHODS and not _is_safe(call, owner, name)


def _is_safe(call: ast.Call, owner: str, name: str) -> bool:
    """Whether a method is one of a `Place`, of a `Folder` of `tuner.roots`, or of no file."""
    given = len(call.args)
    if owner == "sa" or owner.startswith("sa."):
        return True  # SQL
    if name in ("open", "exists") and not given:
        return owner.endswith("place") or owner.startswith("Place(") or owner in _PLACES
    if name == "stat":
        return given == 1  # Folder.stat(name)
    if name in ("replace", "rename"):
        # str.replace(old, new), dataclasses.replace(this, field=…), Folder.rename(name, to)
        return given != 1 or bool(call.keywords)
    return False


def test_no_module_opens_a_file_below_a_root_by_its_path() -> None:
    unknown = {}
    for name, source in modules().items():
        if name in OTHERS:
            continue
        found = [call for call in file_calls(source) if call not in _calls_of(name)]
        if found:
            unknown[name] = found

    assert unknown == {}, "use tuner.roots, or say here what the files are"


def test_a_module_whose_files_lie_elsewhere_knows_no_root() -> None:
    sources = modules()
    assert [name for name in OTHERS if has_to_do_with_roots(sources[name])] == []


def test_nothing_is_listed_that_is_gone() -> None:
    sources = modules()
    idle = [name for name in OTHERS if name not in sources or not file_calls(sources[name])]
    gone = {
        name: sorted(calls - set(file_calls(sources.get(name, ""))))
        for name, (_, calls) in CALLS.items()
    }

    assert idle == []
    assert {name: calls for name, calls in gone.items() if calls} == {}


@pytest.mark.parametrize(
    "line",
    [
        "(log_root / 'x').read_text()",
        "open(run.logdir / 'trial.json')",
        "place.path.open('rb')",
        "place.path.unlink()",
        "folder.path.iterdir()",
        "os.stat(run_dir)",
        "os.path.isdir(run_dir)",
        "os.replace(old, new)",
        "shutil.rmtree(place.path)",
        "tempfile.mkdtemp(dir=log_root)",
        "Path(log_root).exists()",
        "old.rename(new)",
        "from shutil import rmtree",
        "import os as system",
    ],
)
def test_a_planted_use_of_a_path_is_found(line: str) -> None:
    (found,) = file_calls(f"def f():\n    {line}\n")
    assert line.startswith(found.removesuffix(")"))


@pytest.mark.parametrize(
    "line",
    [
        "place.open()",
        "Place(root, 'project').open(make=True)",
        "folder.stat('name')",
        "folder.rename('a', 'b')",
        "folder.replace('name', content)",
        "text.replace('a', 'b')",
        "sa.select(t).exists()",
    ],
)
def test_what_goes_through_the_roots_is_not_found(line: str) -> None:
    assert file_calls(line) == []
