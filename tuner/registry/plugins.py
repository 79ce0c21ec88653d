"""What installed packages bring through their entry points, found once in a process."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: A name in a spec, and the kind of an import in the database, whose column is as wide.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
#: More are no installation, but a mistake.
MAX_PLUGINS = 200
_MAX_CHARS = 100


class PluginError(Exception):
    """A plugin cannot be used; the text is one sentence that names it."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One entry point: where it leads, and whose it is."""

    noun: str
    name: str
    #: Distribution and version, as "toy-samplers 1.2".
    package: str
    entry: EntryPoint

    @property
    def title(self) -> str:
        """The plugin as messages name it."""
        return f"the {self.noun} {self.name!r} of {self.package}"

    def load(self) -> Any:
        """Import it.

        Raises:
            PluginError: that fails, for whatever reason.
        """
        try:
            return self.entry.load()
        # Somebody else's module may raise anything, and may even ask the process to exit.
        except (Exception, SystemExit) as exc:
            reason = " ".join(f"{type(exc).__name__}: {exc}".split())[: 2 * _MAX_CHARS]
            raise PluginError(f"{self.title} cannot be imported: {reason}") from exc


@dataclass(frozen=True, kw_only=True)
class FoundPlugins:
    """The plugins of one group by their names, and a sentence for each that is left out."""

    plugins: dict[str, Plugin]
    left_out: tuple[str, ...]


def find_plugins(group: str, noun: str, taken: Collection[str]) -> FoundPlugins:
    """Return what the installed packages bring, without importing any of it.

    Of two that have the same name, that of the package whose name comes first in the alphabet
    counts.

    Args:
        group: of the entry points, as "tuner.samplers".
        noun: what one of them is called in messages.
        taken: names that Tuner has given already.
    """
    # It reads mail, of all things, to import, and hardly any process asks.
    from importlib.metadata import entry_points

    entries = entry_points(group=group)
    found = [
        Plugin(noun=noun, name=entry.name, package=_package(entry), entry=entry)
        for entry in entries
    ]
    plugins: dict[str, Plugin] = {}
    left_out: list[str] = []
    for plugin in sorted(found, key=lambda one: (one.package, one.name))[:MAX_PLUGINS]:
        if reason := _why_not(plugin, taken, plugins):
            shown = plugin.title[: 2 * _MAX_CHARS]
            left_out.append(f"{shown} is left out: {reason}")
        else:
            plugins[plugin.name] = plugin
    return FoundPlugins(plugins=plugins, left_out=tuple(left_out))


def _why_not(plugin: Plugin, taken: Collection[str], known: dict[str, Plugin]) -> str:
    if not NAME.fullmatch(plugin.name):
        return "a name is a small letter, then at most 31 small letters, digits, - and _"
    if plugin.name in taken:
        return f"Tuner has a {plugin.noun} of that name"
    if plugin.name in known:
        return f"{known[plugin.name].package} has a {plugin.noun} of that name"
    return ""


def _package(entry: EntryPoint) -> str:
    if entry.dist is None:
        return "an unknown package"
    texts = (entry.dist.metadata["Name"], entry.dist.version)
    name, version = (" ".join(str(text).split())[:_MAX_CHARS] for text in texts)
    return f"{name} {version}"
