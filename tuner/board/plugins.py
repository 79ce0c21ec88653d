"""Which plugins TensorBoard runs with: its own, third-party ones that can be loaded, and ours.

TensorBoard loads installed plugins without handling errors: a single module that cannot be
imported, or plugin that cannot be made, and no page is shown at all.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points

from tensorboard import default
from tensorboard.backend.application import make_plugin_loader
from tensorboard.plugins import base_plugin
from typing_extensions import override

from tuner.board.plugin import BestTrialsLoader

_GROUP = "tensorboard_plugins"
#: The tab of this distribution; loaded from here even if the entry point is unknown.
BEST_TRIALS = "best_trials"
#: What TensorBoard accepts as a plugin's name.
_NAME = re.compile(r"[A-Za-z0-9._-]+")

Tell = Callable[[str], object]


class GuardedLoader(base_plugin.TBLoader):  # type: ignore[misc]
    """Wraps another loader; an error in it costs only its own tab.

    Args:
        name: its name, for messages.
        plugin: the object of the entry point: a loader, or the class of a plugin.
        taken: names of the plugins that were loaded before; the name of this one is added.
        tell: called with a line if the plugin is left out.

    Raises:
        Exception: `plugin` is not a plugin.
    """

    def __init__(self, name: str, plugin: object, taken: set[str], tell: Tell) -> None:
        self._name = name
        self._loader = make_plugin_loader(plugin)
        self._taken = taken
        self._tell = tell
        self._is_left_out = False

    def define_flags(self, parser: object) -> None:
        """Add its command-line options."""
        self._try(lambda: self._loader.define_flags(parser))

    def fix_flags(self, flags: object) -> None:
        """Complete its command-line options."""
        self._try(lambda: self._loader.fix_flags(flags))

    def load(self, context: base_plugin.TBContext) -> base_plugin.TBPlugin | None:
        """Return the plugin, None if it cannot be used."""
        return self._try(lambda: self._load(context))

    def _load(self, context: base_plugin.TBContext) -> base_plugin.TBPlugin | None:
        plugin = self._loader.load(context)
        if plugin is None:
            return None
        if not _NAME.fullmatch(plugin.plugin_name) or plugin.plugin_name in self._taken:
            raise ValueError(f"its name {plugin.plugin_name!r} is taken, or cannot be one")
        # The list of all tabs calls this for every plugin.
        plugin.frontend_metadata()
        plugin.data_plugin_names()
        self._taken.add(plugin.plugin_name)
        return plugin

    def _try(self, call: Callable[[], base_plugin.TBPlugin | None]) -> base_plugin.TBPlugin | None:
        if self._is_left_out:
            return None
        try:
            return call()
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - code of anybody
            self._is_left_out = True
            self._tell(_left_out(self._name, exc))
            return None


def load_plugins(without: Iterable[str], tell: Tell) -> list[object]:
    """Return the plugins to start TensorBoard with.

    Args:
        without: names of plugins to exclude.
        tell: called with a line for each that cannot be loaded, with the reason.
    """
    unwanted = frozenset(without)
    own = [p for p in default.get_static_plugins() if _name_of(p) not in unwanted]
    taken = {name for plugin in own if (name := _name_of(plugin))}
    found: list[object] = [*own]
    for entry in [_ours(), *entry_points(group=_GROUP)]:
        if entry.name in unwanted or (entry.name == BEST_TRIALS and len(found) > len(own)):
            continue
        try:
            plugin = entry.load()
            if _name_of(plugin) not in unwanted:
                found.append(GuardedLoader(entry.name, plugin, taken, tell))
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - importing runs code of anybody
            tell(_left_out(entry.name, exc))
    return found


def watch_own_tab(tell: Tell) -> None:
    """Report why the tab of this distribution cannot be shown."""
    logging.getLogger(BestTrialsLoader.__module__).addHandler(_Teller(tell))


class _Teller(logging.Handler):
    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


def _ours() -> EntryPoint:
    return EntryPoint(BEST_TRIALS, f"{BestTrialsLoader.__module__}:BestTrialsLoader", _GROUP)


def _name_of(plugin: object) -> str:
    return str(getattr(plugin, "plugin_name", ""))


def _left_out(name: str, exc: BaseException) -> str:
    return f"TensorBoard's plugin {name!r} is left out: {type(exc).__name__}: {exc}"
