"""Compares two snapshots: whether an objective's code is the same, and where it differs.

Code is what the objective can import from the folder, in normal form. Everything else is included
in the snapshot, but its changes do not count.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tuner.snapshot.changed_lines import describe_lines
from tuner.snapshot.contents import read_contents
from tuner.snapshot.needed import Files, find_code
from tuner.snapshot.outputs import is_by_name_output, is_likely_output, printable
from tuner.snapshot.syntax import Trees, normal_form

#: Maximum number of files listed by name; more are only counted.
_MAX_FILES = 8


@dataclass(frozen=True, kw_only=True)
class CodeDifference:
    """How two snapshots differ.

    Attributes:
        code: one text per module that differs, `objectives.py: lines 12-14 changed (3 lines)`.
        others: paths of other files that differ.
        is_known: False if one of them could not be read: then all of it counts as different code.
    """

    code: tuple[str, ...]
    others: tuple[str, ...] = ()
    is_known: bool = True


def compare_code(
    old: bytes | None,
    new: bytes | None,
    modules: Sequence[str],
    *,
    loaded: Iterable[str] = (),
    named: Sequence[str] = (),
) -> CodeDifference:
    """Return how the new snapshot differs from the old one.

    Args:
        old: tar.gz of the study's code; None: it is no longer stored.
        new: tar.gz of the submitted code.
        modules: that a trial starts from.
        loaded: files that trials of the study have loaded; they count as code even if the search
            did not find them.
        named: texts of the command that a trial starts from: the files they name are code.
    """
    before = None if old is None else read_contents(old)
    after = None if new is None else read_contents(new)
    if before is None or after is None:
        text = "code: it cannot be compared with the one of the study"
        return CodeDifference(code=(text,), is_known=False)
    known, trees = frozenset(loaded), Trees()
    was = find_code(before, modules, trees, named)
    is_now = find_code(after, modules, trees, named)
    old_code = {path: before[path] for path in was.files | (known & before.keys())}
    new_code = {path: after[path] for path in is_now.files | (known & after.keys())}
    scripts = was.scripts | is_now.scripts
    texts = [
        f"{printable(path)}: "
        + _describe(path, before, after, old_code, new_code, as_script=path in scripts)
        for path in sorted({*old_code, *new_code})
        if not _is_same(path, old_code, new_code, as_script=path in scripts)
    ]
    if len(texts) > _MAX_FILES:
        texts = [*texts[: _MAX_FILES - 1], f"and {len(texts) - _MAX_FILES + 1} more files"]
    others = sorted(
        printable(path)
        for path in {*before, *after} - {*old_code, *new_code}
        if before.get(path) != after.get(path)
        and not is_by_name_output(path)
        # From an earlier release, which included outputs.
        and not (path not in after and is_likely_output(path))
    )
    return CodeDifference(code=tuple(texts), others=tuple(others))


def _is_same(path: str, before: Files, after: Files, as_script: bool) -> bool:
    """Return whether a relevant file has the same meaning as before."""
    old, new = before.get(path), after.get(path)
    # Most files have not changed, and parsing takes milliseconds.
    return old == new or _form(path, old, as_script=as_script) == _form(
        path, new, as_script=as_script
    )


def _form(path: str, content: bytes | None, as_script: bool) -> str | bytes | None:
    if content is None:
        # A package with an empty `__init__.py` is the same as one without.
        return "" if posixpath.basename(path) == "__init__.py" else None
    return normal_form(content, as_script=as_script) if path.endswith(".py") else content


def _describe(
    path: str,
    before: Files,
    after: Files,
    old_code: Files,
    new_code: Files,
    as_script: bool,
) -> str:
    if path not in after:
        return "is gone"
    if path not in before:
        return "is new"
    if path not in new_code:
        return "is not imported any more"
    if path not in old_code:
        return "is imported now"
    if not path.endswith(".py"):
        return "changed"
    return describe_lines(before[path], after[path], as_script=as_script)
