"""Linear algebra in one thread: for the same arguments the same result, to the last bit.

With several threads BLAS adds up in an order that depends on how busy the machine is, and a search
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
#: Callers that are inside, and what the first of them will put back. Guarded by the lock.
_inside: list[contextlib.ExitStack] = []


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Have BLAS use one thread in this process, as long as any caller is inside."""
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
    # It sees only what is loaded: numpy and scipy bring a library each.
    _ = np.dot, scipy.linalg.blas
    return ThreadpoolController()
