"""Erases secrets from the memory of a forked process, which starts as a copy of its parent's.

Python leaves copies of a string wherever it was assembled, and frees them without clearing; so the
memory itself is searched, as far as it was ever used: to touch the rest (reserves of stacks and
heaps) would cost more than the search. This takes 10 ms, or 90 ms with TensorFlow loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Minimum length: a shorter secret may occur in other data, and erasing it would break things.
MIN_BYTES = 12

# Loaded before any fork: loading a library in a forked child may deadlock.
_libc = ctypes.CDLL(None)
_libc.memmem.restype = ctypes.c_void_p
_libc.memmem.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]
_libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]

_PAGE = mmap.PAGESIZE
#: Bytes that are searched for one secret after the other, while the processor still has them.
_AT_ONCE = 256 * 1024
#: Of each byte that `mincore` tells, only the lowest bit counts: whether the page is in memory.
_LOWEST_BIT = bytes(byte & 1 for byte in range(256))
_PRESENT = re.compile(rb"\x01+")


def erase(secrets: Sequence[bytes]) -> int:
    """Overwrite every copy of the secrets in this process's own memory; return how many.

    Only for a process with one thread. The arguments themselves are copies, too.
    """
    searched = [secret for secret in secrets if len(secret) >= MIN_BYTES]
    if not searched:
        return 0
    size = sum(map(len, searched))
    count = 0
    # Outside of what is searched: shared with nobody, but not private.
    with contextlib.closing(mmap.mmap(-1, size, mmap.MAP_SHARED)) as held:
        view = (ctypes.c_char * size).from_buffer(held)
        needles = []
        for secret in searched:
            needles.append((ctypes.addressof(view) + held.tell(), len(secret)))
            held.write(secret)
        for start, end in _used_parts():
            for at in range(start, end, _AT_ONCE):
                for needle, length in needles:
                    # A copy may begin in this piece and end in the next.
                    count += _erase_in(at, min(at + _AT_ONCE + length, end), needle, length)
        ctypes.memset(view, 0, size)
        del view
    return count


def _erase_in(start: int, end: int, needle: int, size: int) -> int:
    count = 0
    while start < end:
        found = _libc.memmem(start, end - start, needle, size)
        if not found:
            break
        ctypes.memset(found, 0, size)
        count += 1
        start = found + size
    return count


def _used_parts() -> list[tuple[int, int]]:
    """Return where this process's own memory was ever used; all of it, if some is swapped out."""
    regions = list(_own_regions())
    # Linux does not say which pages are swapped out; a forked process inherits these too.
    if re.search(r"^VmSwap:\s*0 kB", Path("/proc/self/status").read_text(), re.M) is None:
        return regions
    return [part for start, end in regions for part in _present(start, end)]


def _present(start: int, end: int) -> Iterator[tuple[int, int]]:
    pages = ctypes.create_string_buffer((end - start) // _PAGE)
    if _libc.mincore(start, end - start, pages) != 0:
        yield start, end
        return
    for run in _PRESENT.finditer(pages.raw.translate(_LOWEST_BIT)):
        yield start + run.start() * _PAGE, start + run.end() * _PAGE


def _own_regions() -> Iterator[tuple[int, int]]:
    """Yield the private memory of this process that it may write and that belongs to no file."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, _, _, _, *name = line.split(maxsplit=5)
        if rights == "rw-p" and (not name or name[0] in ("[heap]", "[stack]")):
            start, _, end = span.partition("-")
            yield int(start, 16), int(end, 16)
