"""A module's source without what a trial never runs: comments, docstrings, `__main__`."""

from __future__ import annotations

import ast
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from typing_extensions import override

#: Fields of a statement that hold further statements, in source order.
_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
_NOTHING: list[ast.stmt] = [ast.Pass(lineno=0, end_lineno=0, col_offset=0)]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement; for one with a body (`if`, `def`), its head.

    Attributes:
        key: depth and normal form; equal keys mean equal code.
        first: first line, from 1; 0: it has no line of its own.
        last: last line.
    """

    key: tuple[int, str]
    first: int
    last: int


def parse_live(source: bytes, *, as_script: bool = False) -> ast.Module | None:
    """Return the tree of what a trial can run, or None if this Python cannot parse the source.

    It omits docstrings and other standalone strings, and blocks under `if __name__ == "__main__"`
    and `if TYPE_CHECKING`, which an imported module never runs.

    Args:
        as_script: it is started as a program, which does run the block under `__main__`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        _Live(as_script=as_script).visit(tree)
    # E.g. from nesting that is too deep or null bytes; an unparsable source is compared as bytes.
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree


class Trees:
    """Caches the live trees of sources that are needed repeatedly. Mutable."""

    def __init__(self) -> None:
        self._trees: dict[tuple[bytes, bool], ast.Module | None] = {}

    def of(self, source: bytes, *, as_script: bool = False) -> ast.Module | None:
        """Return what `parse_live` returns."""
        key = source, as_script
        if key not in self._trees:
            self._trees[key] = parse_live(source, as_script=as_script)
        return self._trees[key]


def normal_form(source: bytes, *, as_script: bool = False) -> str | bytes:
    """Return what identifies a source's code: its live tree as text, or else its bytes."""
    tree = parse_live(source, as_script=as_script)
    if tree is None:
        return source
    try:
        return ast.dump(tree) if tree.body else ""
    except RecursionError:
        return source


def list_statements(tree: ast.Module) -> list[Statement]:
    """Return every statement of the tree, outer ones before those inside them."""
    return list(_list_block(tree.body, 0))


def read_text(source: bytes) -> str:
    """Return a source as text, decoded by its own encoding declaration."""
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(source).readline)
        return source.decode(encoding, "replace")
    except (SyntaxError, LookupError):
        return source.decode("utf-8", "replace")


class _Live(ast.NodeTransformer):
    """Removes what is never run. Every block keeps at least one statement."""

    def __init__(self, *, as_script: bool) -> None:
        self._as_script = as_script

    @override
    def visit(self, node: ast.AST) -> ast.AST | list[ast.AST] | None:
        """Visit a node, and fill a block that has become empty."""
        visited = super().visit(node)
        if isinstance(visited, ast.stmt | ast.ExceptHandler | ast.match_case):
            body = getattr(visited, "body", None)
            if isinstance(body, list) and not body:
                body.extend(_NOTHING)
        return visited  # type: ignore[no-any-return]

    @override
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop a standalone string."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    @override
    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """Keep only the other branch if the condition is false in every trial."""
        self.generic_visit(node)
        return node.orelse if self._is_never(node.test) else node

    @override
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Drop the `u` prefix of a string."""
        node.kind = None
        return node

    def _is_never(self, test: ast.expr) -> bool:
        match test:
            case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
                return True
            case ast.Compare(
                left=ast.Name(id="__name__"),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value="__main__")],
            ):
                return not self._as_script
            case _:
                return False


def _list_block(block: list[ast.AST] | list[ast.stmt], depth: int) -> Iterator[Statement]:
    for node in block:
        blocks = [name for name in _BLOCKS if isinstance(getattr(node, name, None), list)]
        yield _head(node, blocks, depth) if blocks else _whole(node, depth)
        for name in blocks:
            inner = getattr(node, name)
            if inner and name not in ("body", "cases"):
                # Otherwise a statement that moves into `else` would look unchanged.
                yield Statement(key=(depth, name), first=0, last=0)
            yield from _list_block(inner, depth + 1)


def _whole(node: ast.AST, depth: int) -> Statement:
    first = getattr(node, "lineno", 0)
    return Statement(
        key=(depth, ast.dump(node)), first=first, last=getattr(node, "end_lineno", first)
    )


def _head(node: ast.AST, blocks: list[str], depth: int) -> Statement:
    """Return the head of a compound statement: everything but its blocks, with decorators."""
    fields = {name: value for name, value in ast.iter_fields(node) if name not in blocks}
    parts = [part for value in fields.values() for part in _nodes(value)]
    at = [getattr(node, "lineno", 0), *(part.lineno for part in parts)]
    ends = [getattr(node, "lineno", 0), *(part.end_lineno or part.lineno for part in parts)]
    dumped = ", ".join(
        f"{name}={[ast.dump(part) for part in _nodes(value, any_kind=True)] or value!r}"
        for name, value in fields.items()
    )
    lines = [line for line in at if line]
    return Statement(
        key=(depth, f"{type(node).__name__}({dumped})"),
        first=min(lines, default=0),
        last=max(ends, default=0),
    )


def _nodes(value: object, *, any_kind: bool = False) -> list[ast.expr]:
    """Return the nodes of a field; for those without a position (arguments) their parts."""
    values = value if isinstance(value, list) else [value]
    found: list[ast.expr] = []
    for one in values:
        if not isinstance(one, ast.AST):
            continue
        if any_kind or hasattr(one, "lineno"):
            found.append(one)  # type: ignore[arg-type]
        else:
            found += _nodes(list(ast.iter_child_nodes(one)))
    return found
