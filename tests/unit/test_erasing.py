"""A forked process finds every copy of a secret in its memory, and touches no memory for that."""

from __future__ import annotations

import json
import subprocess
import sys

_SCRIPT = """
import json, mmap, os, resource
from workers.host import erasing

secrets = [b"first-secret-" + b"a1" * 20, b"second-secret-" + b"b2" * 60]
piece = erasing._AT_ONCE
region = mmap.mmap(-1, 64 * piece, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
base = erasing.ctypes.addressof(erasing.ctypes.c_char.from_buffer(region))
ends = [next(n for n in range(len(region)) if (base + n) % piece == 0) + k * piece for k in (3, 9)]
places = [0, *(end - 7 for end in ends), len(region) - len(secrets[1])]
for place, secret in zip(places, [secrets[0], *secrets, secrets[1]]):
    region[place : place + len(secret)] = secret
read, write = os.pipe()
if os.fork() == 0:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    count = erasing.erase(secrets)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    left = [place for place in places if any(region[place : place + 20])]
    os.write(write, json.dumps([count, faults, left]).encode())
    os._exit(0)
os.wait()
print(os.read(read, 1000).decode(), len(region) // mmap.PAGESIZE)
"""


def test_every_copy_is_erased_and_untouched_memory_stays_untouched() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True
    )
    answer, _, pages = done.stdout.strip().rpartition(" ")
    count, faults, left = json.loads(answer)
    assert left == []
    # The four in the region, and those that the script itself holds.
    assert count >= 6
    assert faults < int(pages) / 4
