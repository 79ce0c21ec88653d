"""Words the errors of a mistyped command."""

from __future__ import annotations

from typing import Any


def reword(problem: Exception) -> None:
    """Replace a library's message about an invalid value of an option or argument.

    Args:
        problem: Typer's error, shown afterwards; its cause is the library's error, if there is one.
    """
    errors = getattr(problem.__cause__, "errors", None)
    if errors is None or not hasattr(problem, "message"):
        return
    found = errors()
    if found:
        problem.message = _words(found[0])


def _words(error: dict[str, Any]) -> str:
    """Return what is wrong with a value, for an entry of Pydantic's list of errors."""
    value, limits = error.get("input"), error.get("ctx") or {}
    said = value if isinstance(value, str) else str(value)
    kind = str(error["type"])
    if kind.startswith("int_"):
        return f"{said!r} is not a whole number"
    if kind.startswith("float_"):
        return f"{said!r} is not a number"
    if kind == "greater_than_equal":
        return f"{said} is too small: {limits['ge']:g} is the least"
    if kind == "less_than_equal":
        return f"{said} is too large: {limits['le']:g} is the most"
    if kind == "value_error" and "error" in limits:
        return str(limits["error"])
    return f"{said!r} cannot be taken here"
