"""What installed packages add through their entry points, found once in each process."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: A name in a spec. It is also the kind of an import, whose database column has the same width.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
#: Maximum number of plugins in a group; more are a mistake rather than an installation.
MAX_PLUGINS = 200
_MAX_CHARS = 100


class PluginError(Exception):
    """A plugin cannot be used; the text is one sentence that names it."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One entry point: what it refers to, and which package it belongs to."""

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
        """Import the plugin's object.

        Raises:
            PluginError: the import fails, for whatever reason.
        """
        try:
            return self.entry.load()
        # A foreign module may raise anything, and may even try to exit the process.
        except (Exception, SystemExit) as exc:
            reason = " ".join(f"{type(exc).__name__}: {exc}".split())[: 2 * _MAX_CHARS]
            raise PluginError(f"{self.title} cannot be imported: {reason}") from exc


@dataclass(frozen=True, kw_only=True)
class FoundPlugins:
    """The plugins of one group by name, and a sentence for each one that is left out."""

    plugins: dict[str, Plugin]
    left_out: tuple[str, ...]


def find_plugins(group: str, noun: str, taken: Collection[str]) -> FoundPlugins:
    """Return what the installed packages add, without importing any of it.

    If two have the same name, the one whose package comes first alphabetically is used.

    Args:
        group: the group of entry points, such as "tuner.samplers".
        noun: the word for one of them in messages.
        taken: names that Tuner already uses.
    """
    # This module reads e-mail formats, of all things, and few processes need it.
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
