"""A server's threads share two heaps; what it has loaded is not looked through again and again."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tuner.runtime.heaps import HEAPS

#: Many threads take memory at the same time; the C library then says which heaps there are.
_PROGRAM = """
import ctypes, threading
from tuner.runtime.heaps import share_heaps
share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(12)
def take():
    together.wait()
    for size in range(1, 30):
        libc.malloc(size)
    together.wait()
threads = [threading.Thread(target=take) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.malloc_stats()
"""


def heaps(**environ: str) -> int:
    kept = {key: value for key, value in os.environ.items() if key != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=kept | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return len(re.findall(r"^Arena \d+:", done.stderr, re.MULTILINE))


def test_threads_share_two_heaps() -> None:
    assert heaps() == HEAPS


def test_the_operators_number_of_heaps_stays() -> None:
    assert heaps(MALLOC_ARENA_MAX="1") == 1
    assert heaps(MALLOC_ARENA_MAX="6") > HEAPS


def test_what_is_loaded_is_left_out_of_further_collections() -> None:
    program = """
import gc
from tuner.runtime.heaps import freeze_objects
import tuner.server.serve
before = len(gc.get_objects())
freeze_objects()
print(len(gc.get_objects()) < before / 10)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
