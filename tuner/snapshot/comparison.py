"""Whether two snapshots hold the same code for an objective, and where they differ if not.

Code is what the objective can import from the folder, as normal forms. Everything else travels with
it and ends nothing.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from tuner.snapshot.changed_lines import describe_lines
from tuner.snapshot.contents import read_contents
from tuner.snapshot.needed import Files, needed_files
from tuner.snapshot.outputs import is_by_name_output, is_likely_output
from tuner.snapshot.syntax import normal_form

#: More files than this are counted.
_MAX_FILES = 8


@dataclass(frozen=True, kw_only=True)
class CodeDifference:
    """How two snapshots differ.

    Attributes:
        code: one text for each module that differs, `objectives.py: lines 12-14 changed (3 lines)`.
        others: paths of other files that differ.
        is_known: False where one of them could not be read: then all of it counts as other code.
    """

    code: tuple[str, ...]
    others: tuple[str, ...] = ()
    is_known: bool = True


def compare_code(
    old: bytes | None, new: bytes | None, module: str, loaded: Iterable[str] = ()
) -> CodeDifference:
    """Return how the new snapshot differs from the old one.

    Args:
        old: tar.gz of the study's code; None: it is not stored any more.
        new: tar.gz of the submitted code.
        module: of the objective.
        loaded: files that trials of the study have loaded; what the search did not find is code
            as well.
    """
    before = None if old is None else read_contents(old)
    after = None if new is None else read_contents(new)
    if before is None or after is None:
        text = "code: it cannot be compared with the one of the study"
        return CodeDifference(code=(text,), is_known=False)
    known = frozenset(loaded)
    old_code = _code(before, module, known)
    new_code = _code(after, module, known)
    paths = sorted({*old_code, *new_code})
    changed = [path for path in paths if _form(old_code, path) != _form(new_code, path)]
    texts = [f"{path}: {_describe(path, before, after, old_code, new_code)}" for path in changed]
    if len(texts) > _MAX_FILES:
        texts = [*texts[: _MAX_FILES - 1], f"and {len(texts) - _MAX_FILES + 1} more files"]
    others = sorted(
        path
        for path in {*before, *after} - {*old_code, *new_code}
        if before.get(path) != after.get(path)
        and not is_by_name_output(path)
        # Of an earlier release, which took outputs along.
        and not (path not in after and is_likely_output(path))
    )
    return CodeDifference(code=tuple(texts), others=tuple(others))


def _code(files: Files, module: str, known: frozenset[str]) -> dict[str, str | bytes]:
    """Return the normal form of every file that counts, by path."""
    paths = needed_files(files, module) | (known & files.keys())
    return {
        path: normal_form(files[path]) if path.endswith(".py") else files[path] for path in paths
    }


def _form(code: dict[str, str | bytes], path: str) -> str | bytes | None:
    form = code.get(path)
    # A package is the same with an empty `__init__.py` and without any.
    if form is None and posixpath.basename(path) == "__init__.py":
        return ""
    return form


def _describe(
    path: str,
    before: Files,
    after: Files,
    old_code: dict[str, str | bytes],
    new_code: dict[str, str | bytes],
) -> str:
    if path not in after:
        return "is gone"
    if path not in before:
        return "is new"
    if path not in new_code:
        return "is not imported any more"
    if path not in old_code:
        return "is imported now"
    return describe_lines(before[path], after[path]) if path.endswith(".py") else "changed"
