"""What is wrong with a spec or a space: where, which value, what is allowed."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.space.value import show

#: Maximum number of problems that are listed; the others are counted. Nobody reads more at once,
#: and wording a problem takes longer than finding it.
MAX_LISTED = 20
#: Maximum length of a word to find a similar name for: no name is longer.
_MAX_COMPARED = 200

#: What is allowed, or a function that returns it, which is called only for listed problems.
Allowed = str | Callable[[], str]
#: Position of a value: keys and list indices from the top of the document.
Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing the user has to edit."""

    path: Path
    #: The found value as it is quoted; "missing" or "unknown key" if there is none.
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

    It is mutable because every check adds to it, so that all problems are reported together.
    Iterating yields the listed ones.

    Args:
        listed: maximum number of listed problems.
    """

    def __init__(self, listed: int = MAX_LISTED) -> None:
        self._found: list[Problem] = []
        self._listed = listed
        self._count = 0

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        """The number of problems, listed or not."""
        return self._count

    @property
    def untold(self) -> int:
        """The number of problems that are only counted."""
        return self._count - len(self._found)

    def wrong(self, path: Path, value: Any, allowed: Allowed) -> None:
        """Add a value that is not allowed."""
        if self._is_told():
            self._add(path, show(value), allowed)

    def missing(self, path: Path, allowed: Allowed) -> None:
        """Add a required key that is missing."""
        if self._is_told():
            self._add(path, "missing", allowed)

    def key(self, path: Path, found: str, allowed: Allowed) -> None:
        """Add a key that is not allowed here."""
        if self._is_told():
            self._add(path, found, allowed, at_key=True)

    def _is_told(self) -> bool:
        self._count += 1
        return self._count <= self._listed

    def _add(self, path: Path, found: str, allowed: Allowed, *, at_key: bool = False) -> None:
        text = allowed if isinstance(allowed, str) else allowed()
        self._found.append(Problem(path=path, found=found, allowed=text, at_key=at_key))

    def unknown_keys(
        self,
        path: Path,
        data: Mapping[str, Any],
        known: Iterable[str],
        synonyms: Mapping[str, str] | None = None,
    ) -> None:
        """Add every key of `data` that is not in `known`, with the most similar one that is.

        Args:
            path: the path of `data` in the document.
            known: its allowed keys.
            synonyms: words of other libraries, with the known key that means the same.
        """
        choices = list(known)
        for key in data:
            if key not in choices:
                meant = (synonyms or {}).get(key, key)
                self.key((*path, key), "unknown key", functools.partial(_known, meant, choices))


def did_you_mean(word: object, choices: Iterable[str]) -> str:
    """Return 'did you mean "x"? ' if one of the choices is similar to `word`, else nothing."""
    near = difflib.get_close_matches(str(word)[:_MAX_COMPARED], list(choices), n=1)
    return f"did you mean {show(near[0])}? " if near else ""


def _known(key: object, choices: list[str]) -> str:
    return f"{did_you_mean(key, choices)}known keys: {', '.join(choices)}"


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
