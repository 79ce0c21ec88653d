"""A cache of arrays with limited memory."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
from typing_extensions import override


class ByteCache(MutableMapping[Any, Any]):
    """Drops the least recently used values once the cache is too large.

    Thread-safe; a value must not grow after it was added.

    Args:
        most: maximum size in bytes; a value that alone is larger is not kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.RLock()
        self._values: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        #: Present size in bytes.
        self.size = 0

    @override
    def __getitem__(self, key: Any) -> Any:
        with self._lock:
            self._values.move_to_end(key)
            return self._values[key][0]

    @override
    def __setitem__(self, key: Any, value: Any) -> None:
        size = size_of(value) + size_of(key)
        with self._lock:
            self.pop(key, None)
            if size > self._most:
                return
            self._values[key] = (value, size)
            self.size += size
            while self.size > self._most:
                _, (_, oldest) = self._values.popitem(last=False)
                self.size -= oldest

    @override
    def __delitem__(self, key: Any) -> None:
        with self._lock:
            self.size -= self._values.pop(key)[1]

    @override
    def __iter__(self) -> Iterator[Any]:
        with self._lock:
            return iter(list(self._values))

    @override
    def __len__(self) -> int:
        return len(self._values)


def size_of(value: Any) -> int:
    """Return the approximate memory of a value in bytes, including what it shares."""
    size = sys.getsizeof(value)
    if isinstance(value, np.ndarray):
        # A view does not count the array it refers to, but keeps it alive.
        return size if value.base is None else size + size_of(value.base)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = vars(value) if hasattr(value, "__dict__") else {}
        return size + sum(size_of(part) for part in held.values())
    if isinstance(value, str | bytes):
        return size
    if isinstance(value, Mapping):
        return size + sum(size_of(key) + size_of(part) for key, part in value.items())
    if isinstance(value, Sequence | frozenset | set):
        return size + sum(size_of(part) for part in value)
    return size
