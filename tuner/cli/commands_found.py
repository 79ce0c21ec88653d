"""The commands of the registry as Typer commands, each imported on demand."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping
from typing import Any, cast

from typer.main import get_command_from_info
from typer.models import CommandInfo
from typing_extensions import override

from tuner.cli.calling import spell
from tuner.cli.help import PlainCommand, Row, SectionedGroup
from tuner.errors import UnknownNameError
from tuner.registry.commands import ADDED, COMMANDS, GROUPS, command

#: The section of a group's commands, which all share one.
_INNER = "Commands"


class RootGroup(SectionedGroup):
    """The program itself."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": None})
        self.commands = FoundCommands("")


class FoundCommands(MutableMapping[str, Any]):
    """Commands by name. Knows all names, and creates a command on demand.

    Args:
        group: the first word of all of them; empty: the program itself, including its groups.
    """

    def __init__(self, group: str) -> None:
        self._group = group
        self._made: dict[str, Any] = {}

    def rows(self) -> list[Row]:
        """Return the rows of the list of commands."""
        return [self._row(name) for name in self]

    @override
    def __iter__(self) -> Iterator[str]:
        if self._group:
            prefix = f"{self._group} "
            inner = (name for name in COMMANDS.built_in if name.startswith(prefix))
            return iter([name.removeprefix(prefix) for name in inner])
        firsts = [name.partition(" ")[0] for name in COMMANDS.names]
        return iter(dict.fromkeys(firsts))

    @override
    def __len__(self) -> int:
        return len(list(iter(self)))

    @override
    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    @override
    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    @override
    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def _make(self, name: str) -> Any:
        if not self._group and name in GROUPS:
            return SectionedGroup(
                name=name,
                commands=cast("dict[str, Any]", FoundCommands(name)),
                help=GROUPS[name].says,
                no_args_is_help=True,
                rich_markup_mode=None,
            )
        full = f"{self._group} {name}".strip()
        try:
            callback = COMMANDS.make(full)
        except UnknownNameError:
            raise KeyError(name) from None
        info = CommandInfo(
            name=name,
            cls=PlainCommand,
            callback=callback,
            # Our commands are named in the way in which they must be typed.
            help=spell(inspect.getdoc(callback) or ""),
        )
        return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)

    def _row(self, name: str) -> Row:
        if not self._group and name in GROUPS:
            group = GROUPS[name]
            return Row(section=group.section, name=name, says=group.says)
        full = f"{self._group} {name}".strip()
        if (package := COMMANDS.package_of(full)) is not None:
            # It is not imported for a line in a list.
            return Row(section=ADDED, name=name, says=f"A command of {package}.")
        known = command(full)
        section = _INNER if self._group else known.section
        return Row(section=section, name=name, says=spell(known.says))
