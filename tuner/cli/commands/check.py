"""`tuner check`: everything that can be wrong with a spec, before a study is made of it."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.arguments import Json, Spec, settings
from tuner.cli.printing import print_json


def check(
    spec: Spec,
    *,
    timeout: Annotated[
        float,
        typer.Option(
            min=1.0, help="Time limit in seconds for the first report, and for each build."
        ),
    ] = 120.0,
    points: Annotated[
        int,
        typer.Option(min=0, max=200, help="Number of random configurations to build."),
    ] = 20,
    as_json: Json = False,
) -> None:
    """Check a spec, its code and its objective: one real trial, up to its first report.

    If it can build models (a hypermodel, or build(params) beside the objective), it then builds
    the corners of the search space and random configurations. It says how large they are, which
    of them fail, how long a step takes and what the budget will cost. It creates nothing.
    """
    from tuner.cli.checking.checking import check_spec, print_findings
    from tuner.cli.render import output

    config = settings()
    findings = check_spec(spec, config, timeout_s=timeout, points=points, as_json=as_json)
    if as_json:
        print_json(findings)
    else:
        print_findings(output.out(), findings)
    if not findings["ok"]:
        raise typer.Exit(2)
