"""The result of an importer: studies, each of which can be read when it has changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

from tuner.history.importers.folders import ScannedFolder
from tuner.history.store.cleaning import clean_text
from tuner.history.store.imported import Facts, ImportedRun, ImportKind, Options
from tuner.history.store.records import Rejection
from tuner.history.store.writing import MAX_REJECTED

#: Maximum size of a JSON file; no tuner writes larger ones.
MAX_JSON_BYTES = 64 << 20

#: Maximum number of lines about single files; more are counted by reason.
_MAX_LINES = MAX_REJECTED - 200
_SHOWN = 5


class FoundStudy(Protocol):
    """A study that was found at a path or URL and has not been read yet."""

    @property
    def kind(self) -> ImportKind:
        """What wrote it."""

    @property
    def locator(self) -> str:
        """Its location in the form that is shown: absolute, without a password."""

    @property
    def whole(self) -> bool:
        """Whether a new import replaces all previous runs, not only those that occur again."""

    @property
    def gone(self) -> Collection[str]:
        """Keys that earlier imports may have used for what is not a run of its own."""

    def stamps(self) -> Mapping[str, str]:
        """Return the stamp of every run by its key; empty if that requires reading them.

        If several runs have the same stamp, their keys are one of these, `#` and a number.
        """

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """Read the runs with these keys, or all if there are no stamps.

        Raises:
            OSError: it can no longer be read at all.
        """

    def facts(self, options: Options) -> Facts:
        """Return what is known about the study; called after its runs were read."""


#: Suffix of a stamp: this release reads the same files differently than earlier ones.
_NEWER = "+3"


def newer_stamp(stamp: str) -> str:
    """Return the stamp of a run of a kind that earlier releases read differently."""
    return stamp + _NEWER


def is_read_otherwise(old: str | None, new: str) -> bool:
    """Whether two stamps are for the same files, as read by different releases."""
    return old is not None and new.startswith(old + _NEWER)


class Refusals:
    """What could not be used: single lines, and after some hundreds a count by reason."""

    def __init__(self) -> None:
        self._lines: list[Rejection] = []
        self._beyond: Counter[str] = Counter()
        self.count = 0

    def __call__(self, rejection: Rejection) -> None:
        """Add one."""
        self.count += rejection.count
        if len(self._lines) < _MAX_LINES:
            self._lines.append(rejection)
        else:
            # Rows and values make reasons differ; without their numbers only a few remain.
            self._beyond[re.sub(r"\d+", "N", rejection.reason)[:200]] += rejection.count

    def first(self) -> list[Rejection]:
        """Return the first few."""
        return self._lines[:_SHOWN]

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines as JSON values."""
        common = self._beyond.most_common(150)
        lines = [*self._lines, *(Rejection(path="…", reason=r, count=n) for r, n in common)]
        rest = self.count - sum(line.count for line in lines)
        if rest:
            lines.append(Rejection(path="…", reason="other reasons", count=rest))
        return [
            {"path": clean_text(i.path), "reason": clean_text(i.reason), "count": i.count}
            for i in lines
        ]


def import_key(kind: ImportKind, locator: str) -> str:
    """Return the key of an import: the last part of its location, and a hash of all of it."""
    last = re.split(r"[/#\\]", locator.rstrip("/"))[-1].lower()
    slug = re.sub(r"[^a-z0-9]+", "-", last).strip("-")[:60] or kind
    digest = hashlib.sha256(f"{kind}\n{locator}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"{slug}-{digest[:8]}"


def read_object(folder: ScannedFolder, name: str) -> dict[str, Any]:
    """Return the object of a JSON file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else; the text says what.
    """
    with folder.open(name) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_JSON_BYTES:
            raise ValueError(f"has {size} bytes, at most {MAX_JSON_BYTES} are read")
        if not size:
            raise ValueError("is empty")
        content = file.read(MAX_JSON_BYTES)
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("is damaged: it is not JSON") from None
    if not isinstance(data, dict):
        raise ValueError("is damaged: it holds no object")
    return data
