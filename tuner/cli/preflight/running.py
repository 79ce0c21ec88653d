"""Builds the configurations with a worker's code, and shows the progress."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuner.cli.preflight.probes import Probe
from tuner.cli.render.output import err
from tuner.documents.document import JsonObject
from tuner.protocol import Assignment

#: Limit for all configurations together, in seconds; what is not built by then is left out.
TOTAL_S = 300.0
#: Maximum share of the free memory for building.
_MEMORY_SHARE = 0.8
_LEAST_MEMORY = 1 << 30
#: Number of configurations of which a step is timed, which takes a second or more each.
TIMED = 8


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The results for the configurations, by index."""

    built: dict[int, JsonObject]
    timed: dict[int, JsonObject]
    #: Peak memory of the process in bytes.
    peak_bytes: int = 0
    #: Why nothing can be built; empty: something can.
    broken: str = ""


def build_probes(
    assignment: Assignment,
    probes: Sequence[Probe],
    *,
    code: Path | None,
    env: Mapping[str, str],
    point_s: float,
    is_shown: bool,
) -> Seen:
    """Build each configuration and return the results.

    Args:
        code: folder of the study's code; None: the code is installed.
        point_s: limit for one configuration, in seconds.
        is_shown: whether to show a progress bar.
    """
    request = {
        "assignment": dataclasses.replace(assignment, params={}).to_json(),
        "code_root": None if code is None else str(code),
        "points": [probe.params for probe in probes],
        "timed": _timed(probes),
        "point_s": point_s,
        "total_s": TOTAL_S,
        "memory_bytes": max(_LEAST_MEMORY, int(_free_memory() * _MEMORY_SHARE)),
    }
    seen = Seen(built={}, timed={})
    with _bar(len(probes), is_shown=is_shown) as advance:
        for message in _messages(request, env):
            index = message.get("point", -1)
            if message["kind"] == "built":
                if index not in seen.built:
                    advance()
                seen.built[index] = message
            elif message["kind"] == "timed":
                seen.timed[index] = message
            elif message["kind"] == "end":
                seen = dataclasses.replace(seen, peak_bytes=message["peak_bytes"])
            else:
                why = message.get("error") or message.get("why") or "nothing was built"
                seen = dataclasses.replace(seen, broken=why)
    return seen


def _timed(probes: Sequence[Probe]) -> list[int]:
    """Return the lowest and the highest corner, and random configurations."""
    corners = [index for index, probe in enumerate(probes) if probe.kind == "corner"]
    others = [index for index in range(len(probes)) if index not in corners]
    chosen = dict.fromkeys([*corners[:2], *others, *corners[2:]])
    return list(chosen)[:TIMED]


def _messages(request: JsonObject, env: Mapping[str, str]) -> Iterator[JsonObject]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "workers", "preflight"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        text=True,
    )
    try:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            return
        with process.stdin as stdin:
            json.dump(request, stdin)
        for line in process.stdout:
            yield json.loads(line)
        if process.wait() != 0:
            tail = "\n".join(process.stderr.read().strip().splitlines()[-15:])
            text = f"the worker ended with status {process.returncode}:\n{tail}"
            yield {"kind": "broken", "error": text}
    finally:
        # Ctrl-C: the building process ends with this one.
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def _bar(count: int, *, is_shown: bool) -> Iterator[Callable[[], None]]:
    """Show how many of `count` were built; yields a function that counts one more."""
    console = err()
    if not is_shown:
        yield lambda: None
        return
    if not console.is_terminal:
        console.print(f"building {count} configurations of the search space …", style="quiet")
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("building configurations"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=count)
        yield lambda: progress.advance(task)


def _free_memory() -> int:
    """Return the free memory of this machine in bytes."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return 0
