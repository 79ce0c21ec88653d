"""What a module imports, read from its syntax tree; nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_MAX_SCRIPT_CHARS = 300
_IMPORTERS = ("import_module", "__import__")


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import.

    Attributes:
        module: its absolute name.
        names: what is imported from it, each possibly a submodule; `*` means all.
    """

    module: str
    names: tuple[str, ...] = ()


def find_imports(tree: ast.AST, package: str) -> Iterator[Import]:
    """Yield the imports of a module wherever they occur, including functions, `try` and `if`.

    `importlib.import_module` and `__import__` count if the name is a literal.

    Args:
        package: base of relative names; "" for a module of the top folder.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(module=alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node.module or "", node.level, package)
            if module is not None:
                yield Import(module=module, names=tuple(alias.name for alias in node.names))
        elif isinstance(node, ast.Call) and (found := _read_call(node, package)) is not None:
            yield found


def find_scripts(tree: ast.AST) -> Iterator[str]:
    """Yield the strings that name a Python file."""
    for node in ast.walk(tree):
        text = _text(node)
        if text is not None and text.endswith(".py") and len(text) <= _MAX_SCRIPT_CHARS:
            yield text


def find_exported(tree: ast.Module) -> tuple[str, ...]:
    """Return the names in a literal `__all__`, which `import *` imports."""
    names: list[str] = []
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                pass
            case ast.AugAssign(target=ast.Name(id="__all__"), value=value):
                pass
            case _:
                continue
        if isinstance(value, ast.List | ast.Tuple):
            names += [text for item in value.elts if (text := _text(item)) is not None]
    return tuple(names)


def _read_call(call: ast.Call, package: str) -> Import | None:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if isinstance(call.func, ast.Name):
        name = call.func.id
    if name not in _IMPORTERS or not call.args:
        return None
    text = _text(call.args[0])
    if not text:
        return None
    bare = text.lstrip(".")
    level = len(text) - len(bare)
    if level and name == "import_module":
        anchor = call.args[1] if len(call.args) > 1 else None
        anchor = next((k.value for k in call.keywords if k.arg == "package"), anchor)
        # `__package__` and a package's `__name__` are what relative names are resolved against
        # anyway.
        package = (_text(anchor) if anchor is not None else None) or package
    module = _absolute(bare, level, package)
    return Import(module=module) if module else None


def _absolute(module: str, level: int, package: str) -> str | None:
    """Return the absolute name of a module; None if it lies above the top folder."""
    if level == 0:
        return module
    parts = package.split(".") if package else []
    if level - 1 > len(parts):
        return None
    base = parts[: len(parts) - (level - 1)]
    return ".".join([*base, *([module] if module else [])])


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None
