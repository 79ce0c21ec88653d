"""`tuner check`: everything that can be wrong with a spec, before a study is made of it."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.arguments import Json, Spec, settings


def check(
    spec: Spec,
    *,
    timeout: Annotated[
        float, typer.Option(min=1.0, help="Seconds that the trial has for its first report.")
    ] = 120.0,
    as_json: Json = False,
) -> None:
    """Check a spec, its code and its objective: one real trial, up to its first report."""
    from tuner.cli import output
    from tuner.cli.checking import check_spec, print_findings

    config = settings()
    findings = check_spec(spec, config, timeout_s=timeout, as_json=as_json)
    if as_json:
        output.print_json(findings)
    else:
        print_findings(output.out(), findings)
    if not findings["ok"]:
        raise typer.Exit(2)
