"""Finds the objective: in the trial's code snapshot first, then among installed packages."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.objective.own_modules import RESERVED, forget_hidden

#: Prefix of the objective of a study that runs a KerasTuner hypermodel: `hypermodel:module:Name`.
HYPERMODEL = "hypermodel:"


class ObjectiveError(Exception):
    """The objective cannot be found; the text says what was looked for and where."""


def load_objective(
    reference: str, code_root: str | None, *, what: str = "objective"
) -> Callable[..., Any]:
    """Return the function that `reference` (`module:function`) names.

    Args:
        reference: the objective; the function may be an attribute path.
        code_root: folder of the code snapshot, which is put first on this process's path.
        what: the key of the spec that it comes from, for messages.

    Raises:
        ObjectiveError: there is no such module or function, or its name is reserved.
    """
    found = load_object(reference, code_root, what=what)
    if not callable(found):
        raise ObjectiveError(f"{what} {reference!r} is a {type(found).__name__}, not a function")
    function: Callable[..., Any] = found
    return function


def load_object(reference: str, code_root: str | None, *, what: str) -> Any:
    """Return the object that `reference` names; arguments and errors as for `load_objective`."""
    module_name, _, path = reference.partition(":")
    if not module_name or not path or ":" in path:
        raise ObjectiveError(f"{what} {reference!r}: expected module:function")
    if module_name.partition(".")[0] in RESERVED:
        raise ObjectiveError(
            f"{what} {reference!r}: {' and '.join(RESERVED)} are names of this service; "
            "rename the module"
        )
    _set_path(code_root)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{module_name}.".startswith(f"{exc.name}."):
            raise
        raise ObjectiveError(
            f"{what} {reference!r}: there is no module {exc.name!r} in "
            f"{code_root or 'the image (no code was sent)'} or among the installed packages"
        ) from exc
    for name in path.split("."):
        if not hasattr(found, name):
            known = ", ".join(n for n in dir(found) if n[0] != "_" and _is_usable(found, n))
            raise ObjectiveError(
                f"{what} {reference!r}: {module_name} has no {name!r}; "
                f"functions there: {known or 'none'}"
            )
        found = getattr(found, name)
    return found


def _is_usable(owner: Any, name: str) -> bool:
    """Return whether a name may be intended: a function, a class, a hypermodel."""
    found = getattr(owner, name)
    return callable(found) or hasattr(found, "build")


def _set_path(code_root: str | None) -> None:
    if code_root is None or code_root in sys.path[:1]:
        return
    # `python -m` puts the current folder first. The snapshot's code must run, whatever is there.
    here = os.getcwd()  # noqa: PTH109 - compared as text
    if sys.path and sys.path[0] in ("", here) and not _is_home(here):
        del sys.path[0]
    sys.path.insert(0, code_root)
    forget_hidden(code_root)
    importlib.invalidate_caches()


def _is_home(folder: str) -> bool:
    """Return whether this package itself is imported from `folder`."""
    return str(Path(__file__).absolute().parents[2]) == folder
