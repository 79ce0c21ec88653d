"""The help page: commands under headings, in the order of a study's life.

Typer's own pretty help imports half of rich and takes three times the time this page may take.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

ONE = "Tune on this machine"
SERVE = "Run as a service"
LOOK = "Look at studies"
CHANGE = "Change studies"


class SectionedGroup(TyperGroup):
    """A group of commands whose help shows each under its section."""

    @override
    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        sections: dict[str, list[tuple[str, str]]] = {}
        width = max((len(name) for name in self.commands), default=0)
        for name, command in self.commands.items():
            if command.hidden:
                continue
            section = str(getattr(command, "rich_help_panel", None) or "Commands")
            # The whole first sentence: a long one is wrapped rather than cut.
            text = command.get_short_help_str(limit=200)
            row = (typer.style(name.ljust(width), fg="cyan", bold=True), text)
            sections.setdefault(section, []).append(row)
        for section, rows in sections.items():
            with formatter.section(typer.style(section, bold=True)):
                formatter.write_dl(rows)
