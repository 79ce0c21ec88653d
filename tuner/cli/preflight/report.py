"""The preflight as a document, and in words."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from tuner.cli.preflight.cost import step_text
from tuner.cli.preflight.probes import Probe
from tuner.cli.preflight.regions import find_regions
from tuner.cli.preflight.running import Seen
from tuner.cli.render.output import duration, parameter
from tuner.documents.document import JsonObject

#: Maximum number of failures, of other points, and of characters that are shown; the document has
#: all.
_MOST_FAILURES, _MOST_OTHERS, _MOST_CHARS = 5, 3, 160
_DIGITS = re.compile(r"\d+")
_CAUSES = {
    "error": "",
    "memory": "out of memory: ",
    "time": "too slow: ",
    "crash": "its process died: ",
}
_BASIS = "weights, gradients, {} outputs of all layers for one batch; frameworks need more"


def describe(probes: Sequence[Probe], seen: Seen, cost: JsonObject | None) -> JsonObject:
    """Return the value of `preflight` in `tuner check --json`.

    Returns:
        `points`, `built`, `failed` (by message: `cause`, `error`, `count`, `regions` with `where`
        and `count`, `others`: configurations outside of them), `parameters`, `memory_bytes` and
        `seconds_per_step` (each `{min, median, max}` or None), `peak_bytes`, `cost`, `error` (if
        nothing could be built).
    """
    sound = {index: row for index, row in seen.built.items() if row["ok"]}
    return {
        "points": len(probes),
        "corners": sum(probe.kind == "corner" for probe in probes),
        "tried": len(seen.built),
        "built": len(sound),
        "failed": _failures(probes, seen.built),
        "parameters": _range([row.get("parameters") for row in sound.values()]),
        "memory_bytes": _range([row.get("bytes") for row in sound.values()]),
        "memory_basis": _basis(sound),
        "seconds_per_step": _range([row.get("step_s") for row in seen.timed.values()]),
        "timed": sum(row.get("step_s") is not None for row in seen.timed.values()),
        "peak_bytes": seen.peak_bytes,
        "cost": cost,
        "error": seen.broken,
    }


def _basis(sound: Mapping[int, JsonObject]) -> str:
    """Return what the estimate of memory includes."""
    if any(row.get("has_optimizer") for row in sound.values()):
        return _BASIS.format("optimiser and")
    return _BASIS.format("not the optimiser, which build leaves open, and")


def _range(values: Sequence[Any]) -> JsonObject | None:
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    return {"min": known[0], "median": statistics.median(known), "max": known[-1]}


def _failures(probes: Sequence[Probe], built: Mapping[int, JsonObject]) -> list[JsonObject]:
    """Return where building fails, by message."""
    params = {index: probes[index].params for index in sorted(built)}
    sound = [params[index] for index in params if built[index]["ok"]]
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index in params:
        row = built[index]
        if not row["ok"]:
            line = row["error"].strip().rpartition("\n")[2]
            # The same fault names different shapes for each configuration.
            groups[row["cause"], _DIGITS.sub("0", line)].append(index)
    failures = [_failure(built, indices, params, sound) for indices in groups.values()]
    return sorted(failures, key=lambda failure: -failure["count"])


def _failure(
    built: Mapping[int, JsonObject],
    indices: Sequence[int],
    params: Mapping[int, Mapping[str, Any]],
    sound: Sequence[Mapping[str, Any]],
) -> JsonObject:
    points = [params[index] for index in indices]
    regions, rest = find_regions(points, range(len(points)), sound)
    first = built[indices[0]]
    return {
        "cause": first["cause"],
        "error": first["error"].strip().rpartition("\n")[2],
        "count": len(indices),
        "regions": [
            {"where": [str(bound) for bound in region.bounds], "count": len(region.failed)}
            for region in regions
        ],
        "others": [dict(points[place]) for place in rest],
    }


def warn(document: JsonObject) -> list[str]:
    """Return warnings: problems that do not prevent the study."""
    failed = document["failed"]
    warnings = [_failure_text(failure, document["tried"]) for failure in failed[:_MOST_FAILURES]]
    if len(failed) > _MOST_FAILURES:
        warnings.append(f"{len(failed) - _MOST_FAILURES} more kinds of failure: see --json")
    if failed:
        warnings.append(
            "a trial without a model fails, counts in the budget and teaches the sampler to stay "
            "away from there: narrow the ranges or forbid what cannot be built"
        )
    if document["tried"] < document["points"] and not document["error"]:
        left = document["points"] - document["tried"]
        warnings.append(f"{left} of {document['points']} configurations were not built in time")
    return warnings


def _failure_text(failure: JsonObject, tried: int) -> str:
    error = failure["error"]
    if len(error) > _MOST_CHARS:
        error = error[:_MOST_CHARS].rstrip() + "…"
    where = [
        f"{' and '.join(region['where'])} ({region['count']} of {region['count']})"
        for region in failure["regions"]
    ]
    others = [
        ", ".join(f"{name} = {parameter(value)}" for name, value in params.items())
        for params in failure["others"][:_MOST_OTHERS]
    ]
    more = len(failure["others"]) - len(others)
    parts = [
        f"always with {'; with '.join(where)}" if where else "",
        f"{'also ' if where else ''}at {'; at '.join(others)}" if others else "",
        f"and at {more} more (--json)" if more > 0 else "",
    ]
    return (
        f"{failure['count']} of {tried} configurations have no model, "
        f"{'. '.join(part for part in parts if part)}: {_CAUSES[failure['cause']]}{error}"
    )


def show(console: Console, document: JsonObject) -> None:
    """Print the preflight: a line, and its findings below."""
    if document["error"]:
        return
    corners = document["corners"]
    console.print(
        f"[good]ok[/]       builds {document['built']} of {document['tried']} configurations: "
        f"{corners} corners of the space, {document['points'] - corners} random"
    )
    if sizes := document["parameters"]:
        _say(console, f"parameters  {_spread(sizes, count_text)}")
    if memory := document["memory_bytes"]:
        basis = document["memory_basis"]
        _say(console, f"memory      about {_spread(memory, bytes_text)}: {basis}")
    if steps := document["seconds_per_step"]:
        _say(console, f"a step      {_spread(steps, step_text)} ({document['timed']} timed here)")
    if cost := document["cost"]:
        gpu = f", {cost['gpu_hours']:.3g} GPU-hours" if cost["gpu_hours"] else ""
        workers = "1 worker" if cost["workers"] == 1 else f"{cost['workers']} workers"
        took = duration(cost["hours"] * 3600)
        _say(
            console,
            f"the budget  about {took} with {workers}{gpu}: {cost['trials']} trials of "
            f"{duration(cost['trial_s'])} ({cost['basis']})",
        )


def _spread(values: JsonObject, text: Any) -> str:
    if values["min"] == values["max"]:
        return str(text(values["min"]))
    ends = f"{text(values['min'])} to {text(values['max'])}"
    return f"{ends}, median {text(values['median'])}"


def _say(console: Console, text: str) -> None:
    console.print(f"                {escape(text)}", soft_wrap=True, style="quiet")


def count_text(count: float) -> str:
    """Return a count in readable form: 5 634, 1.2 million."""
    if count >= 1e9:
        return f"{count / 1e9:.3g} billion"
    return f"{count / 1e6:.3g} million" if count >= 1e6 else f"{count:,.0f}".replace(",", " ")


def bytes_text(count: float) -> str:
    """Return a size with a unit."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"
