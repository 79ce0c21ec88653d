"""Plugins that TensorBoard is started with: a fault of one costs its own tab only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from tensorboard.plugins import base_plugin

from tuner.board import plugin as own_tab
from tuner.board import plugins
from tuner.board.plugins import BEST_TRIALS, load_plugins, watch_own_tab

GROUP = "tensorboard_plugins"
#: A module of plugins, each with another fault.
MODULE = """
from tensorboard.plugins import base_plugin

class Good(base_plugin.TBPlugin):
    plugin_name = "good"
    def get_plugin_apps(self):
        return {}
    def is_active(self):
        return True

class Unmakable(Good):
    plugin_name = "unmakable"
    def __init__(self, context):
        raise RuntimeError("its weights are gone")

class Double(Good):
    plugin_name = "scalars"

class Odd(Good):
    plugin_name = "a tab/../.."

class Unpaired(Good):
    plugin_name = "unpaired"
    def frontend_metadata(self):
        raise AttributeError("of another release")

class Flagged(base_plugin.TBLoader):
    def define_flags(self, parser):
        parser.add_argument("--logdir")
        parser.add_argument("--logdir")

class NoPlugin:
    pass
"""


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points of which TensorBoard is told; a test adds to it."""
    entries: list[EntryPoint] = []
    (tmp_path / "their_tabs.py").write_text(MODULE)
    (tmp_path / "their_exit.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries if group == GROUP else [])
    yield entries
    sys.modules.pop("their_tabs", None)


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def made(loaded: Iterable[Any], names: set[str]) -> list[str]:
    """Return the names of the plugins that others' loaders make, as TensorBoard does it."""
    parser = argparse.ArgumentParser()
    made_names = []
    for loader in loaded:
        if isinstance(loader, plugins.GuardedLoader) and loader._name in names:
            loader.define_flags(parser)
            loader.fix_flags(argparse.Namespace())
            if (plugin := loader.load(base_plugin.TBContext())) is not None:
                made_names.append(plugin.plugin_name)
    return made_names


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("their_missing:Plugin", "ModuleNotFoundError"),
        ("their_exit:Plugin", "SystemExit"),
        ("their_tabs:Missing", "AttributeError"),
        ("their_tabs:NoPlugin", "TypeError"),
        ("their_tabs:Unmakable", "its weights are gone"),
        ("their_tabs:Double", "'scalars' is taken"),
        ("their_tabs:Odd", "cannot be one"),
        ("their_tabs:Unpaired", "of another release"),
        ("their_tabs:Flagged", "conflicting option"),
    ],
)
def test_a_faulty_plugin_is_left_out_with_the_reason_and_the_next_one_is_shown(
    value: str, said: str, found: list[EntryPoint]
) -> None:
    told: list[str] = []
    found += [entry("theirs", value), entry("good", "their_tabs:Good")]

    loaded = load_plugins((), told.append)

    assert made(loaded, {"theirs", "good"}) == ["good"]
    (line,) = told
    assert "'theirs' is left out" in line
    assert said in line


def test_plugins_that_are_not_wanted_are_not_even_imported(found: list[EntryPoint]) -> None:
    found += [entry("projector", "their_tabs:Good"), entry("good", "their_tabs:Good")]

    loaded = load_plugins({"projector", "hparams", "good"}, print)

    assert "hparams" not in {getattr(plugin, "plugin_name", "") for plugin in loaded}
    assert "their_tabs" not in sys.modules


@pytest.mark.parametrize("installed", [0, 1, 2])
def test_best_trials_is_loaded_once_whatever_the_installation_knows_of_it(
    installed: int, found: list[EntryPoint]
) -> None:
    found += [entry(BEST_TRIALS, "their_missing:Old")] * installed
    told: list[str] = []

    loaded = load_plugins((), told.append)

    guarded = [loader for loader in loaded if isinstance(loader, plugins.GuardedLoader)]
    assert [loader._name for loader in guarded] == [BEST_TRIALS]
    assert told == []


def test_why_best_trials_cannot_be_shown_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_name: str) -> None:
        raise ImportError("no numpy here")

    monkeypatch.setattr(own_tab.importlib, "import_module", fail)
    told: list[str] = []
    watch_own_tab(told.append)

    assert own_tab.BestTrialsLoader().load(base_plugin.TBContext()) is None
    assert told == ["the tab Best trials cannot be shown: ImportError: no numpy here"]
