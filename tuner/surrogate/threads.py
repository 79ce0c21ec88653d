"""Linear algebra in one thread: the same arguments give the same result, to the last bit.

With several threads, BLAS adds in an order that depends on the load of the machine, and a search
turns a difference in the last digit into another proposal. The matrices here are so small that one
thread is no slower.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator

import numpy as np
import scipy.linalg
from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
#: The callers inside, and what to restore when the last one leaves. Guarded by the lock.
_inside: list[contextlib.ExitStack] = []


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS to one thread in this process while any caller is inside."""
    with _lock:
        stack = _inside[0] if _inside else contextlib.ExitStack()
        if not _inside:
            stack.enter_context(_controller().limit(limits=1, user_api="blas"))
        _inside.append(stack)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside:
                stack.close()


@functools.cache
def _controller() -> ThreadpoolController:
    # Only loaded libraries are affected: numpy and scipy bring one each.
    _ = np.dot, scipy.linalg.blas
    return ThreadpoolController()
