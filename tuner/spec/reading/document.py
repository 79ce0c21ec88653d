"""Plain values together with the place in a file where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from tuner.space.problem import Path


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A position in a file; line and column count from 1."""

    source: str
    line: int
    column: int

    @override
    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}"


@dataclass(kw_only=True)
class YamlDocument:
    """Parsed values and their positions. Marks are added when files are combined."""

    source: str
    data: Any
    #: Where the value of a path starts, and where its key starts.
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)

    def mark(self, path: Path, *, at_key: bool = False) -> Mark:
        """Return the position of `path`, or of the nearest enclosing value that has one."""
        for end in range(len(path), -1, -1):
            part = path[:end]
            first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
            found = first.get(part) or second.get(part)
            if found is not None:
                return found
        return Mark(source=self.source, line=1, column=1)

    def graft(self, path: Path, other: YamlDocument, at: Path) -> None:
        """Copy the marks of `other` at and below `at` to `path` here."""
        for mine, theirs in ((self.values, other.values), (self.keys, other.keys)):
            for place in [item for item in mine if item[: len(path)] == path]:
                del mine[place]
            for place, mark in theirs.items():
                if place[: len(at)] == at:
                    mine[(*path, *place[len(at) :])] = mark
