"""A trial that looks for a secret wherever a trial can look; imported in its own process."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from workers import Run

_CHUNK = 1 << 20


def look(run: Run) -> float:
    """Write down where the secret is; what is sought is given backwards, so as not to be found."""
    backwards = run.params["backwards"].encode()
    planted = backwards[::-1] if run.params.get("plant") else b""
    places = [place for place, text in _places(run.params["top"]) if _holds(text, backwards)]
    (run.logdir / "found.json").write_text(json.dumps(places))
    return float(len(planted))


def tamper(run: Run) -> float:
    """Write down which other children of the worker this trial can write into."""
    others = [pid for pid in _siblings() if pid != os.getpid()]
    found = {}
    for pid in others:
        try:
            os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
            found[pid] = "open"
        except PermissionError:
            found[pid] = "closed"
    (run.logdir / "found.json").write_text(json.dumps(sorted(found.values())))
    return float(len(found))


def _siblings() -> list[int]:
    worker = os.getppid()
    text = Path(f"/proc/{worker}/task/{worker}/children").read_text()
    return [int(pid) for pid in text.split()]


def _holds(content: bytes, backwards: bytes) -> bool:
    """Whether a text holds the secret.

    Only its first half is ever put together here: to turn the whole text around would leave the
    secret itself in the memory that is searched next.
    """
    begin = backwards[len(backwards) // 2 :][::-1]
    at = content.find(begin)
    while at >= 0:
        if content[at : at + len(backwards)][::-1] == backwards:
            return True
        at = content.find(begin, at + 1)
    return False


def _places(top: int) -> Iterator[tuple[str, bytes]]:
    """Yield what this process can read of itself, of its ancestors below `top`, of siblings."""
    yield "os.environ", repr(dict(os.environ)).encode()
    pid = os.getpid()
    while pid not in (top, 1):
        yield from _process(pid)
        status = Path(f"/proc/{pid}/status").read_text()
        pid = int(status.partition("PPid:")[2].split()[0])
    for pid in _siblings():
        if pid != os.getpid():
            yield from _process(pid)


def _process(pid: int) -> Iterator[tuple[str, bytes]]:
    name = "self" if pid == os.getpid() else "another"
    for file in ("environ", "cmdline"):
        try:
            yield f"{file} of {name}", Path(f"/proc/{pid}/{file}").read_bytes()
        except OSError:
            continue
    yield from _memory(pid, name)
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            if stat.S_ISREG(link.stat().st_mode):
                yield f"a file of {name}: {link.readlink()}", link.read_bytes()
    except OSError:
        return


def _memory(pid: int, name: str) -> Iterator[tuple[str, bytes]]:
    try:
        regions = Path(f"/proc/{pid}/maps").read_text().splitlines()
        memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    except OSError:
        return
    for line in regions:
        span, rights = line.split()[:2]
        start, _, end = span.partition("-")
        if rights.startswith("rw"):
            yield from _region(memory, int(start, 16), int(end, 16), name)
    os.close(memory)


def _region(memory: int, start: int, end: int, name: str) -> Iterator[tuple[str, bytes]]:
    for at in range(start, end, _CHUNK):
        try:
            # Chunks overlap, so that nothing is cut in two.
            yield f"memory of {name}", os.pread(memory, min(_CHUNK + 100, end - at), at)
        except OSError:
            return
