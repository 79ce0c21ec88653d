"""Run folders that were used more than once: which values belong to which session start.

A script that is started again with the same folders writes new event files next to the old ones,
and TensorBoard shows the first parameters with the last values: a pair that no run had. Here every
start is a run of its own. The content of a file with a start belongs to that start; a file without
one, such as those of Keras below the run, to the start that was made by the process of its writer,
else to the start closest in time. If both are ambiguous, the curves are left out with a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tuner.tfevents.reader import HParam, RunEvents, ScalarPoint, Segment, no_events

#: events.out.tfevents.1795871478.host.15507.6.v2: time, host, process, number in the process.
_NAME = re.compile(r"tfevents\.(\d+)(?:\.(.*?))?(?:\.(\d+)\.(\d+))?(?:\.v2)?")


@dataclass(frozen=True, kw_only=True)
class Writer:
    """The writer of an event file and the time, from the file's name.

    Attributes:
        process: host and process; None if the name does not contain them.
        place: (seconds since the epoch, number in the process): the order of the files of one
            process.
    """

    process: str | None
    place: tuple[int, int]

    @classmethod
    def of(cls, path: Path) -> Writer:
        """Return the writer of a file; for a name of another form, no process and time 0."""
        name = path.name[path.name.find("tfevents") :]
        found = _NAME.fullmatch(name)
        if found is None:
            begun = re.match(r"tfevents\.(\d+)", name)
            return cls(process=None, place=(int(begun[1]) if begun else 0, 0))
        time, host, process, number = found.groups()
        named = None if process is None else f"{host}.{process}"
        return cls(process=named, place=(int(time), int(number or 0)))


@dataclass(frozen=True, kw_only=True)
class Use:
    """One run in a folder: the content of its own file, and its curves from other files.

    Attributes:
        events: from the file with the start; their scalars are in `scalars`.
        written: when its start was written, in seconds since the epoch.
        scalars: by name, from all its files.
        unclear: names of files that may belong to it or to another run.
    """

    events: RunEvents
    writer: Writer
    written: float
    scalars: dict[str, list[ScalarPoint]] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Loose:
    """A file without a start: its name, its writer and its curves."""

    name: str
    writer: Writer
    scalars: Mapping[str, list[ScalarPoint]]


def starts(segments: Iterable[Segment]) -> int:
    """Return the number of sessions that start in some event files."""
    return sum(segment.events["hparams"] is not None for segment in segments)


def join(segments: Sequence[Segment]) -> RunEvents:
    """Return the merged events of files of one run; the first record of each kind counts.

    As in TensorBoard, a curve that starts again in a later file replaces the points of earlier
    files from that step on: those are from an interrupted run.

    Args:
        segments: in the order in which they were written.
    """
    if not segments:
        return no_events()
    first, *rest = [segment.events for segment in segments]
    joined: RunEvents = {**first, "scalars": {k: list(v) for k, v in first["scalars"].items()}}
    path = segments[0].path
    for events, segment in zip(rest, segments[1:], strict=True):
        if segment.path != path:
            path = segment.path
            _cut(joined["scalars"], events["scalars"])
        if joined["hparams"] is None and events["hparams"] is not None:
            joined.update({n: events[n] for n in ("hparams", "group", "start")})  # type: ignore[typeddict-item]
        if joined["status"] is None and events["status"] is not None:
            joined.update({"status": events["status"], "end": events["end"]})
        joined["experiment"] = joined["experiment"] or events["experiment"]
        _extend(joined["scalars"], events["scalars"])
    return joined


def split_uses(segments: Sequence[Segment], loose: Sequence[Loose]) -> list[Use]:
    """Return the runs of a folder in which several sessions start, in the order of their starts.

    Args:
        segments: from the files in the folder that contains the starts.
        loose: files in other folders that belong to the same runs.
    """
    uses: list[Use] = []
    others = list(loose)
    by_file: dict[Path, list[Segment]] = {}
    for segment in segments:
        by_file.setdefault(segment.path, []).append(segment)
    for path, pieces in by_file.items():
        if starts(pieces):
            uses += _uses_of_file(path, pieces)
        else:
            scalars = join(pieces)["scalars"]
            others.append(Loose(name=path.name, writer=Writer.of(path), scalars=scalars))
    # Within one process the order follows from the file names, between processes from their times.
    uses.sort(key=lambda use: (use.writer.place, use.written))
    _assign(uses, [file for file in others if file.scalars])
    return _continued(uses)


def _uses_of_file(path: Path, pieces: Sequence[Segment]) -> list[Use]:
    """Return the runs of one file: usually one, but some scripts write several."""
    head, started = pieces[0], list(pieces[1:])
    if len(started) > 1 and head.events["scalars"] and not started[-1].events["scalars"]:
        # Each start was written after its curves.
        curves = [piece.events["scalars"] for piece in pieces]
        started = [
            replace(piece, events={**piece.events, "scalars": of_it})
            for piece, of_it in zip(started, curves, strict=False)
        ]
        head = replace(head, events={**head.events, "scalars": {}})
    groups: list[list[Segment]] = []
    for piece in started:
        # A single writer that records parameters again, like Lightning's, describes one run.
        if groups and _agree(groups[-1][-1], piece):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    groups[0] = [head, *groups[0]]
    uses = []
    for group in groups:
        events = join(group)
        for piece in group:
            events["hparams"] = {**(piece.events["hparams"] or {}), **(events["hparams"] or {})}
        written = next(piece.written for piece in group if piece.written is not None)
        scalars = events["scalars"]
        uses.append(
            Use(events=events, writer=Writer.of(path), written=written, scalars=dict(scalars))
        )
    return uses


def _agree(one: Segment, other: Segment) -> bool:
    """Whether two starts by one writer describe one run: nothing differs, but one may say more."""
    first, second = one.events["hparams"] or {}, other.events["hparams"] or {}
    common = first.keys() & second.keys()
    is_part = len(common) == min(len(first), len(second))
    return is_part and all(first[name] == second[name] for name in common)


def _assign(uses: list[Use], files: Sequence[Loose]) -> None:
    """Assign each file without a start to its run; some may belong to any."""
    for process in dict.fromkeys(file.writer.process for file in files):
        mine = [file for file in files if file.writer.process == process]
        same = [i for i, use in enumerate(uses) if process and use.writer.process == process]
        chosen = _owners(uses, same or list(range(len(uses))), mine, is_own=bool(same))
        for file, owner in zip(mine, chosen, strict=True):
            for index in range(len(uses)) if owner is None else (owner,):
                use = uses[index]
                if owner is None:
                    uses[index] = replace(use, unclear=(*use.unclear, file.name))
                else:
                    _extend(use.scalars, file.scalars)


def _owners(
    uses: Sequence[Use], candidates: Sequence[int], files: Sequence[Loose], *, is_own: bool
) -> list[int | None]:
    """Return which candidate each file of one process belongs to; None: ambiguous.

    Names show when files were created, records when something was written; both must be consistent,
    since a script may open all its files first, and records may have artificial times.

    Args:
        uses: all runs.
        candidates: indices of the runs that may own the files.
        files: files of one process, or of unknown ones.
        is_own: whether the candidates are of that process.
    """
    if len(candidates) == 1:
        return [candidates[0]] * len(files)
    # Numbers count the files of one process; between processes only seconds can be compared.
    depth = 2 if is_own else 1
    names = {index: uses[index].writer.place[:depth] for index in candidates}
    times = {index: (uses[index].written,) for index in candidates}
    by_name = [(file.writer.place[:depth],) * 2 for file in files]
    by_time = [((first,), (last,)) for first, last in map(_span, files)]
    sides = _sides(names, by_name) & _sides(times, by_time)
    if not sides:
        return [None] * len(files)
    side = max(sides)
    owners: list[int | None] = []
    for name, span in zip(by_name, by_time, strict=True):
        possible = _nearest(names, name, side) & _nearest(times, span, side)
        at = possible.pop() if len(possible) == 1 else None
        later = [t for (t,) in times.values() if at is not None and (t,) > times[at]]
        runs_on = bool(later) and span[1] > (min(later),)
        owners.append(None if runs_on else at)
    return owners


_Place = tuple[float, ...]


def _span(file: Loose) -> tuple[float, float]:
    """Return the times of the first and the last record of a file."""
    times = [point[2] for points in file.scalars.values() for point in points]
    return min(times), max(times)


def _sides(starts: Mapping[int, _Place], files: Sequence[tuple[_Place, _Place]]) -> set[str]:
    """Return on which sides of the starts all files are: each "behind" its own, or "ahead"."""
    sides = set()
    if all(first >= min(starts.values()) for first, _ in files):
        sides.add("behind")
    if all(last <= max(starts.values()) for _, last in files):
        sides.add("ahead")
    return sides


def _nearest(starts: Mapping[int, _Place], file: tuple[_Place, _Place], side: str) -> set[int]:
    """Return the start closest to a file on the given side; several if tied."""
    first, last = file
    near = [at for at in starts.values() if (at <= first if side == "behind" else at >= last)]
    if not near:
        return set()
    place = max(near) if side == "behind" else min(near)
    return {index for index, at in starts.items() if at == place}


def _continued(uses: Sequence[Use]) -> list[Use]:
    """Return the runs, merging those that continued with the same parameters."""
    joined: list[Use] = []
    for use in uses:
        index = next((i for i, other in enumerate(joined) if _goes_on(other, use)), None)
        if index is None:
            joined.append(use)
            continue
        old = joined[index]
        events: RunEvents = {**old.events, "status": use.events["status"], "end": use.events["end"]}
        scalars = {name: list(points) for name, points in old.scalars.items()}
        _extend(scalars, use.scalars)
        joined[index] = replace(
            old, events=events, scalars=scalars, unclear=(*old.unclear, *use.unclear)
        )
    return joined


def _goes_on(old: Use, new: Use) -> bool:
    if not _same(old.events["hparams"], new.events["hparams"]):
        return False
    if not old.scalars or not new.scalars:
        # One of them stopped before it had measured anything.
        return not old.unclear and not new.unclear
    common = old.scalars.keys() & new.scalars.keys()
    return bool(common) and all(
        max(point[0] for point in old.scalars[name]) < min(p[0] for p in new.scalars[name])
        for name in common
    )


def _same(one: Mapping[str, HParam] | None, other: Mapping[str, HParam] | None) -> bool:
    return (one or {}) == (other or {})


def _cut(scalars: dict[str, list[ScalarPoint]], newer: Mapping[str, list[ScalarPoint]]) -> None:
    """Remove the points that a newer file has measured again, or not reached yet."""
    for name, points in newer.items():
        begins = min(point[0] for point in points)
        if name in scalars:
            scalars[name] = [point for point in scalars[name] if point[0] < begins]


def _extend(scalars: dict[str, list[ScalarPoint]], more: Mapping[str, list[ScalarPoint]]) -> None:
    for name, points in more.items():
        scalars[name] = [*scalars.get(name, ()), *points]
