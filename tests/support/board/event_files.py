"""Event files as other tools write them: with any name, any order of records, any times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tuner.roots import Place
from tuner.tfevents import RunWriter, events
from tuner.tfevents.framing import frame


def file_name(time_s: int, *, process: int | None = 100, number: int = 0) -> str:
    """Return what TensorFlow calls an event file; without a process, what tensorboardX does."""
    start = f"events.out.tfevents.{time_s}.host"
    return start if process is None else f"{start}.{process}.{number}.v2"


def start(params: Mapping[str, object], time_s: float) -> bytes:
    """Return the start record of a session."""
    return events.start_event(params, group="", time_s=time_s)


def end(time_s: float) -> bytes:
    """Return the record that a session ended well."""
    return events.end_event("success", step=0, time_s=time_s)


def curve(tag: str, values: Iterable[float], time_s: float, *, first: int = 0) -> list[bytes]:
    """Return a point a second."""
    return [
        events.scalars_event({tag: value}, step=first + index, time_s=time_s + index)
        for index, value in enumerate(values)
    ]


def write_events(path: Path, records: Iterable[bytes]) -> None:
    """Write an event file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(frame, [events.version_event(0.0), *records])))


def event_files(run_dir: Path) -> list[Path]:
    """Return the event files in a folder in the order in which TensorBoard reads them."""
    return sorted(run_dir.glob("*tfevents*"))


def write_run(folder: Path, *, steps: int = 2) -> None:
    """Write a run with the parameter `x` and a curve of `loss`; it has not ended."""
    writer = RunWriter(Place(folder))
    writer.start({"x": 1.0}, folder.name, 1.7e9)
    for step in range(1, steps + 1):
        writer.scalars(step, {"loss": 1.0 / step}, 1.7e9 + step)
    writer.close()
