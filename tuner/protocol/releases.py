"""Which of two releases of Tuner came first."""

from __future__ import annotations

import re


def is_older(release: str, than: str) -> bool:
    """Return whether one release of Tuner comes before another.

    Releases are compared by their numbers; with the same numbers a pre-release (`1.2rc1`) is older.
    A source tree without a version ("" or `0+source`) is never older, and nothing is older than it.
    """
    mine, theirs = _release_key(release), _release_key(than)
    return mine is not None and theirs is not None and mine < theirs


def _release_key(release: str) -> tuple[list[int], bool, str] | None:
    found = re.match(r"v?(\d{1,9}(?:\.\d{1,9}){0,9})([^+]*)", release)
    if found is None or release.startswith("0+"):
        return None
    numbers = [int(part) for part in found[1].split(".")]
    while numbers[-1:] == [0]:
        numbers.pop()
    return numbers, not found[2] or found[2].startswith(".post"), found[2]
