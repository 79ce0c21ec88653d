"""A mapping of a stranger's file, key by key: what is asked for is checked, the rest is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuner.errors import SpecError
from tuner.space.problem import field_name
from tuner.space.value import is_number, is_whole, show
from tuner.spec.reading.document import YamlDocument


class Fields:
    """A mapping. Mutable: it remembers which keys were asked for, so that the others can be named.

    Args:
        path: where the mapping stands in it.

    Raises:
        SpecError: it is no mapping.
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
        """Return whatever stands at a key, None for nothing."""
        self._asked.add(key)
        return self._data.get(key)

    def text(self, key: str) -> str | None:
        """Return a text, None for nothing."""
        value = self.take(key)
        if value is None or isinstance(value, str):
            return value
        raise self._error((key,), value, "a text")

    def word(self, key: str, *choices: str) -> str | None:
        """Return one of some words, None for nothing."""
        value = self.take(key)
        if value is None or value in choices:
            return None if value is None else str(value)
        raise self._error((key,), value, f"one of {', '.join(choices)}")

    def number(self, key: str) -> int | float | None:
        """Return a finite number, also one that is written as a text; None for nothing."""
        value = self.take(key)
        found = as_number(value)
        if found is None and value is not None:
            raise self._error((key,), value, "a finite number")
        return found

    def needed(self, key: str) -> int | float:
        """Return a finite number that must be there."""
        found = self.number(key)
        if found is None:
            raise self._error((key,), None, "a finite number")
        return found

    def whole(self, key: str, least: int = 1) -> int | None:
        """Return a whole number of at least `least`, None for nothing."""
        value = self.number(key)
        if value is None:
            return None
        if not is_whole(value) or value < least:
            raise self._error((key,), value, f"a whole number from {least}")
        return int(value)

    def list(self, key: str) -> list[Any] | None:
        """Return a list, None for nothing."""
        value = self.take(key)
        if value is None or isinstance(value, list):
            return value
        raise self._error((key,), value, "a list")

    def fields(self, key: str) -> Fields | None:
        """Return an inner mapping, None for nothing."""
        value = self.take(key)
        return None if value is None else Fields(self._document, (*self._path, key), value)

    def each(self, key: str) -> Iterator[Fields]:
        """Yield the mappings of a list; nothing where there is none."""
        for index, item in enumerate(self.list(key) or []):
            yield Fields(self._document, (*self._path, key, index), item)

    def items(self) -> Iterator[tuple[str, Fields]]:
        """Yield every key with the mapping that stands there."""
        for key, value in self._data.items():
            self._asked.add(key)
            yield key, Fields(self._document, (*self._path, key), value)

    def everything(self) -> Iterator[tuple[str, Any]]:
        """Yield every key with what stands there."""
        self._asked.update(self._data)
        yield from self._data.items()

    def left(self) -> dict[str, Any]:
        """Return what was not asked for."""
        return {k: v for k, v in self._data.items() if k not in self._asked and v is not None}

    def wrong(self, key: str, allowed: str) -> SpecError:
        """Return the error of a value that cannot be."""
        return self._error((key,), self._data.get(key), allowed)

    def _error(self, inner: tuple[str | int, ...], value: Any, allowed: str) -> SpecError:
        path = (*self._path, *inner)
        found = "missing" if value is None else show(value)
        place = f"{field_name(path)}: " if path else ""
        return SpecError(f"{self._document.mark(path)}: {place}{found}: {allowed}")


def as_number(value: object) -> int | float | None:
    """Return a finite number, also of a text that is one; None for anything else."""
    if isinstance(value, str) and 0 < len(value) <= 60 and "_" not in value:
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    return value if is_number(value) else None
