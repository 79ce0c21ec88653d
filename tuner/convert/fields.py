"""A mapping from another tool's file, read key by key: values are checked, unused keys tracked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuner.errors import SpecError
from tuner.space.problem import field_name
from tuner.space.value import is_number, is_whole, show
from tuner.spec.reading.document import YamlDocument


class Fields:
    """A mapping. Mutable: it remembers which keys were read, so that the others can be reported.

    Args:
        path: of the mapping in the file.

    Raises:
        SpecError: it is not a mapping.
    """

    def __init__(self, document: YamlDocument, path: tuple[str | int, ...], data: Any) -> None:
        self._document = document
        self._path = path
        self._data: dict[str, Any] = data if isinstance(data, dict) else {}
        if not isinstance(data, dict):
            raise self._error((), data, "a mapping")
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return self._data.get(key) is not None

    def take(self, key: str) -> Any:
        """Return the value of a key, None if there is none."""
        self._asked.add(key)
        return self._data.get(key)

    def text(self, key: str) -> str | None:
        """Return a string, None if there is none."""
        value = self.take(key)
        if value is None or isinstance(value, str):
            return value
        raise self._error((key,), value, "a text")

    def word(self, key: str, *choices: str) -> str | None:
        """Return one of the given words, None if there is none."""
        value = self.take(key)
        if value is None or value in choices:
            return None if value is None else str(value)
        raise self._error((key,), value, f"one of {', '.join(choices)}")

    def number(self, key: str) -> int | float | None:
        """Return a finite number, possibly written as a string; None if there is none."""
        value = self.take(key)
        found = as_number(value)
        if found is None and value is not None:
            raise self._error((key,), value, "a finite number")
        return found

    def needed(self, key: str) -> int | float:
        """Return a finite number that is required."""
        found = self.number(key)
        if found is None:
            raise self._error((key,), None, "a finite number")
        return found

    def whole(self, key: str, least: int = 1) -> int | None:
        """Return an integer of at least `least`, None if there is none."""
        value = self.number(key)
        if value is None:
            return None
        if not is_whole(value) or value < least:
            raise self._error((key,), value, f"a whole number from {least}")
        return int(value)

    def list(self, key: str) -> list[Any] | None:
        """Return a list, None if there is none."""
        value = self.take(key)
        if value is None or isinstance(value, list):
            return value
        raise self._error((key,), value, "a list")

    def fields(self, key: str) -> Fields | None:
        """Return a nested mapping, None if there is none."""
        value = self.take(key)
        return None if value is None else Fields(self._document, (*self._path, key), value)

    def each(self, key: str) -> Iterator[Fields]:
        """Yield the mappings in a list; nothing if there is none."""
        for index, item in enumerate(self.list(key) or []):
            yield Fields(self._document, (*self._path, key, index), item)

    def items(self) -> Iterator[tuple[str, Fields]]:
        """Yield every key with its value, which must be a mapping."""
        for key, value in self._data.items():
            self._asked.add(key)
            yield key, Fields(self._document, (*self._path, key), value)

    def everything(self) -> Iterator[tuple[str, Any]]:
        """Yield every key with its value."""
        self._asked.update(self._data)
        yield from self._data.items()

    def left(self) -> dict[str, Any]:
        """Return what has not been read."""
        return {k: v for k, v in self._data.items() if k not in self._asked and v is not None}

    def wrong(self, key: str, allowed: str) -> SpecError:
        """Return the error for an invalid value."""
        return self._error((key,), self._data.get(key), allowed)

    def _error(self, inner: tuple[str | int, ...], value: Any, allowed: str) -> SpecError:
        path = (*self._path, *inner)
        found = "missing" if value is None else show(value)
        place = f"{field_name(path)}: " if path else ""
        return SpecError(f"{self._document.mark(path)}: {place}{found}: {allowed}")


def as_number(value: object) -> int | float | None:
    """Return a finite number, also from a string that is one; None for anything else."""
    if isinstance(value, str) and 0 < len(value) <= 60 and "_" not in value:
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    return value if is_number(value) else None
