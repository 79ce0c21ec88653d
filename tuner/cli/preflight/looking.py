"""The preflight of a study: what to build, the results, and the cost of the budget."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from tuner.cli.preflight.cost import estimate_cost
from tuner.cli.preflight.probes import choose_probes
from tuner.cli.preflight.report import describe
from tuner.cli.preflight.running import build_probes
from tuner.documents.document import JsonObject
from tuner.protocol import Assignment, Found
from tuner.spec import StudySpec, known_parameters
from tuner.spec.advice import advise_names
from tuner.spec.growth import grow

#: How the module of an objective provides its models.
_BUILD = re.compile(rb"^def build\(params\b", re.MULTILINE)


def offers_models(spec: StudySpec, code: Path | None) -> bool:
    """Return whether models of a study can be built without training them.

    This is possible for a hypermodel, and for an objective whose module has `def build(params)`.

    Args:
        code: folder of its code.
    """
    if spec.hypermodel is not None:
        return True
    if spec.objective is None or spec.is_external or code is None:
        return False
    module = Path(code, *spec.objective.partition(":")[0].split("."))
    for source in (module.with_suffix(".py"), module / "__init__.py"):
        if source.is_file():
            return _BUILD.search(source.read_bytes()) is not None
    return False


def look(
    spec: StudySpec,
    assignment: Assignment,
    trial: JsonObject,
    *,
    code: Path | None,
    env: Mapping[str, str],
    count: int,
    point_s: float,
    is_shown: bool,
) -> JsonObject:
    """Build configurations of a study whose trial has worked; return the preflight.

    Args:
        trial: its result, with the parameters that a hypermodel has.
        code: folder of the study's code.
        count: number of random configurations.
        point_s: limit for one configuration, in seconds.
        is_shown: whether to show a progress bar.

    Raises:
        SpecError: the hypermodel's parameters do not make a valid search space.
    """
    found = [Found.from_json(item) for item in trial.get("found") or []]
    # As the study itself will see it after its first trial.
    grown = grow(spec, found, since=1, renamed={}).spec if found else spec
    probes = choose_probes(grown.space, count)
    seen = build_probes(
        dataclasses.replace(assignment, known=known_parameters(grown)),
        probes,
        code=code,
        env=env,
        point_s=point_s,
        is_shown=is_shown,
    )
    timed = [{**seen.built.get(index, {}), **row} for index, row in seen.timed.items()]
    return describe(probes, seen, estimate_cost(spec, timed, trial))


def advise_found(spec: StudySpec, trial: JsonObject) -> list[str]:
    """Return a warning for every abbreviation among a hypermodel's names."""
    names = [item["name"] for item in trial.get("found") or []]
    return [
        f"hypermodel: {name}: an abbreviation; better {better}"
        for name, better in advise_names(name for name in names if name not in spec.space)
    ]
