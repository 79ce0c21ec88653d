"""`tuner doctor`: what is wrong, and what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from tuner.cli.arguments import Json
from tuner.cli.calling import spell
from tuner.cli.exit_codes import FAILED
from tuner.cli.printing import print_json

if TYPE_CHECKING:
    from rich.table import Table

    from tuner.local.doctor import DoctorFinding

_STYLES = {"failed": "bad", "warning": "warn", "ok": "good"}


def doctor(*, as_json: Json = False) -> None:
    """Check everything that Tuner depends on, and say what is wrong and what to do.

    It starts and changes nothing. Exit code 1 if something does not work.
    """
    from tuner.cli.render import output
    from tuner.cli.render.waiting import waiting
    from tuner.local.doctor import examine

    with waiting("looking", is_shown=not as_json):
        found = examine(os.environ)
    if as_json:
        findings = [vars(item) for item in found]
        print_json({"healthy": not _failing(found), "findings": findings})
    else:
        output.out().print(_table(found))
        output.out().print(_sum(found), style="quiet")
    if _failing(found):
        raise typer.Exit(FAILED)


def _failing(found: list[DoctorFinding]) -> int:
    return sum(item.level == "failed" for item in found)


def _table(found: list[DoctorFinding]) -> Table:
    """Return a line for each thing that was looked at, its advice below it."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="name")
    table.add_column(overflow="fold")
    for item in found:
        text = escape(item.text)
        if item.advice:
            text += f"\n[quiet]→ {escape(spell(item.advice))}[/]"
        table.add_row(f"[{_STYLES[item.level]}]{item.level}[/]", escape(item.subject), text)
    return table


def _sum(found: list[DoctorFinding]) -> str:
    failing = _failing(found)
    warnings = sum(item.level == "warning" for item in found)
    if not failing and not warnings:
        return "all is well"
    plural = "" if warnings == 1 else "s"
    return f"{failing} failed, {warnings} warning{plural}, {len(found) - failing - warnings} ok"
