"""What is wrong with a spec or a space: where, which value, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.space.value import show

#: Where a value stands: keys and list positions from the top of the document.
Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing the user has to edit."""

    path: Path
    #: The value found, as it is quoted; "missing" or "unknown key" where there is none.
    found: str
    allowed: str
    #: Point at the key instead of its value.
    at_key: bool = False

    @property
    def text(self) -> str:
        """The problem without its position: `field: value: what is allowed`."""
        return ": ".join(part for part in (field_name(self.path), self.found, self.allowed) if part)


class Problems:
    """A list of problems that grows while a document is checked.

    It is mutable because every check adds to it: all problems are reported at once.
    """

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def wrong(self, path: Path, value: Any, allowed: str) -> None:
        """Add a value that is not allowed."""
        self._found.append(Problem(path=path, found=show(value), allowed=allowed))

    def missing(self, path: Path, allowed: str) -> None:
        """Add a key that has to be given."""
        self._found.append(Problem(path=path, found="missing", allowed=allowed))

    def key(self, path: Path, found: str, allowed: str) -> None:
        """Add a key that may not stand here."""
        self._found.append(Problem(path=path, found=found, allowed=allowed, at_key=True))

    def unknown_keys(
        self,
        path: Path,
        data: Mapping[str, Any],
        known: Iterable[str],
        synonyms: Mapping[str, str] | None = None,
    ) -> None:
        """Add every key of `data` that is not in `known`, with the nearest one that is.

        Args:
            path: where `data` stands.
            data: the mapping to check.
            known: its allowed keys.
            synonyms: words that other libraries use, with the known key that means the same.
        """
        choices = list(known)
        for key in data:
            if key not in choices:
                near = did_you_mean((synonyms or {}).get(key, key), choices)
                allowed = f"{near}known keys: {', '.join(choices)}"
                self.key((*path, key), "unknown key", allowed)


def did_you_mean(word: object, choices: Iterable[str]) -> str:
    """Return 'did you mean "x"? ' when one of the choices is close to `word`, else nothing."""
    near = difflib.get_close_matches(str(word), list(choices), n=1)
    return f"did you mean {show(near[0])}? " if near else ""


def field_name(path: Path) -> str:
    """Return a path as people write it: `start_with[0].train.optimizer`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{_short(part)}" if text else _short(part)
    return text


def _short(key: str) -> str:
    if key.isprintable() and len(key) <= 80:
        return key
    return show(key)
