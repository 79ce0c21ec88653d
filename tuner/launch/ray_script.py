"""Writes the script that Ray's own Python runs: actors, worker and plan in one file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from tuner.launch.plan import Plan

_ACTORS = "ray_actors.py"
_FUTURE = "from __future__ import annotations\n"
_EMPTY = "PLAN: dict[str, Any] = {}\n"


@dataclass(frozen=True, kw_only=True)
class RayAsk:
    """What each worker requests from Ray."""

    #: Of the cluster; None: `RAY_ADDRESS`, or the Ray on this machine.
    address: str | None = None
    #: Number of CPUs.
    cpus: float = 1.0
    #: Bytes; None: any amount.
    memory: int | None = None
    #: Custom resources of the cluster, by name.
    resources: dict[str, float] = field(default_factory=dict)


def write_script(plan: Plan, ask: RayAsk) -> str:
    """Return the script; its argument is `start`, `list` or `stop`."""
    before, found, after = _source().partition(_EMPTY)
    if not found:
        raise AssertionError("unreachable: the script has a place for the plan")
    # JSON in a Python string: escaped wherever either would be misread.
    text = json.dumps(_document(plan, ask), indent=2, sort_keys=True)
    return f"{before}PLAN: dict[str, Any] = json.loads(\n    {_literal(text)}\n)\n{after}"


def _source() -> str:
    """Return the actors' module, preceded by the worker's, as one file."""
    folder = files("tuner.launch")
    worker, actors = (
        folder.joinpath(name).read_text().partition(_FUTURE) for name in ("ray_worker.py", _ACTORS)
    )
    lines = actors[2].splitlines(keepends=True)
    # The imported modules are in the same file.
    rest = "".join(line for line in lines if not line.startswith("from tuner."))
    return f"{actors[0]}{_FUTURE}{worker[2]}\n{rest}"


def _document(plan: Plan, ask: RayAsk) -> dict[str, Any]:
    return {
        "name": plan.name,
        "workers": plan.workers,
        "python": plan.python,
        "arguments": plan.arguments(),
        "settings": dict(plan.settings),
        "exports": dict(plan.exports),
        "address": ask.address,
        "num_cpus": ask.cpus,
        "num_gpus": plan.gpus,
        "memory": ask.memory,
        "resources": ask.resources,
    }


def _literal(text: str) -> str:
    """Return a text as Python source, with one of its lines per line."""
    return "\n    ".join(repr(line + "\n") for line in text.splitlines())
