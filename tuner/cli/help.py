"""The help pages: commands under headings, in the order of a study's life; values in words.

Typer's own help imports half of rich and takes three times the time that this page may take.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typing_extensions import override

from tuner.cli.calling import program
from tuner.registry.commands import command


@dataclass(frozen=True, kw_only=True)
class Row:
    """A command in the list of commands."""

    section: str
    name: str
    says: str


class SectionedGroup(TyperGroup):
    """A group of commands whose help shows each under its section."""

    @override
    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        sections: dict[str, list[tuple[str, str]]] = {}
        found: Sequence[Row] = self.commands.rows()  # type: ignore[attr-defined]
        width = max((len(row.name) for row in found), default=0)
        for row in found:
            shown = (typer.style(row.name.ljust(width), fg="cyan", bold=True), row.says)
            sections.setdefault(row.section, []).append(shown)
        for section, rows in sections.items():
            with formatter.section(typer.style(section, bold=True)):
                formatter.write_dl(rows)


#: What Typer shows for a value, and its replacement. Choices keep their words.
_VALUES = (
    (re.compile(r"<int(?: range)?>"), "N"),
    (re.compile(r"<float(?: range)?>"), "X"),
    (re.compile(r"<str>"), "TEXT"),
    (re.compile(r"<path>"), "FILE"),
    (re.compile(r"<list\[str\]>"), "TEXT"),
    (re.compile(r"<(?:list\[)?([\w-]+(?:\|[\w-]+)+)\]?>"), r"\1"),
)
_BOUNDS = (
    (re.compile(r"(?<=[\[ ])(-?[\d.]+)<=x<=(-?[\d.]+)(?=[\];])"), r"\1 to \2"),
    (re.compile(r"(?<=[\[ ])x>=(-?[\d.]+)(?=[\];])"), r"\1 or more"),
)


class PlainCommand(TyperCommand):
    """A command whose help names values in plain words: `SPEC` and `-n N`, no Python types."""

    @override
    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces = ["[OPTIONS]"]
        for parameter in self.get_params(ctx):
            if isinstance(parameter, TyperArgument) and not parameter.hidden:
                name = _argument_name(parameter)
                is_said = parameter.required or name.startswith("[")
                pieces.append(name if is_said else f"[{name}]")
        return pieces

    @override
    def format_options(self, ctx: Any, formatter: Any) -> None:
        arguments, options = [], []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            _, text = record
            if isinstance(parameter, TyperArgument):
                text = text.replace("[required]", "").replace("; required]", "]").rstrip()
                arguments.append((_argument_name(parameter), _in_words(text, _BOUNDS)))
            else:
                options.append((_in_words(record[0], _VALUES), _in_words(text, _BOUNDS)))
        for title, rows in (("Arguments", arguments), ("Options", options)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        self._format_examples(ctx, formatter)

    def _format_examples(self, ctx: Any, formatter: Any) -> None:
        path = []
        while ctx.parent is not None:
            path.append(ctx.info_name)
            ctx = ctx.parent
        examples = command(" ".join(reversed(path))).examples
        if examples:
            with formatter.section("Examples" if len(examples) > 1 else "Example"):
                for example in examples:
                    # Not wrapped, even if it is wider than the page: it is meant to be copied.
                    formatter.write(f"{'':{formatter.current_indent}}{program()} {example}\n")


def _argument_name(argument: TyperArgument) -> str:
    name = argument.display_name_raw
    return name if argument.nargs == 1 or name.endswith("...") else f"{name}..."


def _in_words(text: str, words: Sequence[tuple[re.Pattern[str], str]]) -> str:
    for pattern, word in words:
        text = pattern.sub(word, text)
    return text
