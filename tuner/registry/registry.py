"""One kind of extension: what Tuner provides by which name, and what other packages add."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tuner.errors import SetupError, UnknownNameError
from tuner.registry.extension import Extension, Trait
from tuner.registry.plugins import FoundPlugins, Plugin, PluginError, find_plugins

logger = logging.getLogger(__name__)


class Registry:
    """The extensions of one kind by name. Thread-safe.

    Mutable: the plugins of other packages are listed once, when first needed, and each is imported
    once, when first used.

    Args:
        noun: the word for one of them, such as "sampler".
        group: the group of entry points through which packages add theirs.
        built_in: what Tuner provides, in the order in which messages list it.
        reserved: additional names that no package may use.
    """

    def __init__(
        self,
        *,
        noun: str,
        group: str,
        built_in: Mapping[str, Extension],
        reserved: tuple[str, ...] = (),
    ) -> None:
        self.noun = noun
        self.group = group
        self.built_in = built_in
        self.reserved = reserved
        self._lock = threading.RLock()
        self._found: FoundPlugins | None = None
        #: What was imported: extensions of packages, or why one cannot be used.
        self._loaded: dict[str, Extension | str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names: Tuner's own, then those added by packages, in alphabetical order."""
        return (*self.built_in, *sorted(self._plugins()))

    def __contains__(self, name: object) -> bool:
        """Whether the name exists; lists the installed packages only if necessary."""
        return name in self.built_in or name in self._plugins()

    def find(self, name: str) -> Extension:
        """Return an extension, imported if a package provides it.

        Raises:
            UnknownNameError: there is none of that name.
            SetupError: the package that provides it cannot be used; says which and why.
        """
        if name in self.built_in:
            return self.built_in[name]
        plugin = self._plugins().get(name)
        if plugin is None:
            raise UnknownNameError(self.noun, name, self.names)
        loaded = self._load(plugin)
        if isinstance(loaded, str):
            raise SetupError(loaded)
        return loaded

    def make(self, name: str) -> Callable[..., Any]:
        """Return what makes one; raises as `find` does."""
        make = self.find(name).make
        if isinstance(make, str):
            module, _, attribute = make.partition(":")
            made: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
            return made
        return make

    def has(self, name: str, trait: Trait) -> bool:
        """Whether an extension has a trait; False if it does not exist or cannot be used."""
        if name in self.built_in:
            return trait in self.built_in[name].traits
        plugin = self._plugins().get(name)
        loaded = None if plugin is None else self._load(plugin)
        return isinstance(loaded, Extension) and trait in loaded.traits

    def package_of(self, name: str) -> str | None:
        """Return the package that provides one, such as "toy-samplers 1.2", or None."""
        if name in self.built_in:
            return None
        plugin = self._plugins().get(name)
        return None if plugin is None else plugin.package

    def usable(self) -> dict[str, Extension]:
        """Import everything; return what can be used, by name. `problems` returns the rest."""
        for plugin in self._plugins().values():
            self._load(plugin)
        found = {name: self._loaded[name] for name in sorted(self._plugins())}
        plugins = {name: one for name, one in found.items() if isinstance(one, Extension)}
        return {**self.built_in, **plugins}

    def problems(self) -> list[str]:
        """Return a sentence for each plugin that is left out, or that failed to import so far."""
        self._plugins()
        left_out = [] if self._found is None else list(self._found.left_out)
        return [*left_out, *(text for text in self._loaded.values() if isinstance(text, str))]

    def forget_plugins(self) -> None:
        """Forget the plugins, so that the installed packages are listed again."""
        with self._lock:
            self._found = None
            self._loaded.clear()

    def _plugins(self) -> dict[str, Plugin]:
        with self._lock:
            if self._found is None:
                taken = (*self.built_in, *self.reserved)
                self._found = find_plugins(self.group, self.noun, taken)
                for sentence in self._found.left_out:
                    logger.warning(sentence)
            return self._found.plugins

    def _load(self, plugin: Plugin) -> Extension | str:
        with self._lock:
            if plugin.name not in self._loaded:
                try:
                    self._loaded[plugin.name] = self._as_extension(plugin)
                except PluginError as exc:
                    logger.warning(str(exc))
                    self._loaded[plugin.name] = str(exc)
            return self._loaded[plugin.name]

    def _as_extension(self, plugin: Plugin) -> Extension:
        loaded = plugin.load()
        if isinstance(loaded, Extension):
            return loaded
        if callable(loaded):
            return Extension(make=loaded)
        kind = type(loaded).__name__
        raise PluginError(f"{plugin.title} is a {kind}: give a function or an Extension")
