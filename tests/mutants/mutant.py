"""A promise, and one edit of the code that breaks it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Of this clone.
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One edit of one file that breaks a promise.

    Attributes:
        name: unique, words joined by dashes.
        promise: what no longer holds with the edit, in one sentence.
        file: which file is edited, relative to the clone.
        old: what the edit replaces; the file holds it exactly once.
        new: what takes its place.
        tests: files of tests, or `file::test` of one; one of them at least fails with the edit.
    """

    name: str
    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """Return the text of the file with the edit.

        Raises:
            ValueError: the file does not hold `old` exactly once.
        """
        count = text.count(self.old)
        if count != 1:
            raise ValueError(
                f"mutant {self.name}: {self.file} holds {self.old!r} {count} times, and must hold "
                "it once: write the mutant for the code as it is now"
            )
        return text.replace(self.old, self.new)
