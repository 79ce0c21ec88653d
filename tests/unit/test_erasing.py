"""A forked process finds every copy of a secret in its memory, and touches no memory for that."""

from __future__ import annotations

import json
import subprocess
import sys

_SCRIPT = """
import json, mmap, os, resource
from workers.host import erasing

def private(size):
    return mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

secrets = [b"first-secret-" + b"a1" * 20, b"second-secret-" + b"b2" * 60]
untouched = private(64 * erasing._AT_ONCE)
untouched[0 : len(secrets[0])] = secrets[0]
untouched[-len(secrets[1]) :] = secrets[1]
# One behind the other: wherever a piece ends, a copy lies across.
full = [private(3 * erasing._AT_ONCE) for _ in secrets]
for region, secret in zip(full, secrets):
    region[:] = (secret * (len(region) // len(secret) + 1))[: len(region)]
read, write = os.pipe()
if os.fork() == 0:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    erasing.erase(secrets)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    # What begins before the end of a region and is cut off there is no copy.
    left = [sum(map(bool, region[:])) for region in full]
    left += [sum(map(bool, untouched[:60])), sum(map(bool, untouched[-150:]))]
    os.write(write, json.dumps([faults, left]).encode())
    os._exit(0)
os.wait()
answer = json.loads(os.read(read, 1000))
print(json.dumps([*answer, [len(s) for s in secrets], len(untouched) // mmap.PAGESIZE]))
"""


def test_every_copy_is_erased_and_untouched_memory_stays_untouched() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True
    )
    faults, left, lengths, pages = json.loads(done.stdout)
    assert left[0] < lengths[0]
    assert left[1] < lengths[1]
    assert left[2:] == [0, 0]
    # Those that are written to; the untouched region alone has more pages.
    assert faults < pages / 2
