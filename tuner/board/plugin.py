"""The entry point of the tab "Best trials": what TensorBoard loads at its start.

TensorBoard loads entry points without handling errors, so an error in a plugin's module would stop
it. Therefore this module imports nothing of ours until the plugin is requested, and returns none on
error.
"""

from __future__ import annotations

import importlib
import logging

from tensorboard.plugins import base_plugin

_log = logging.getLogger(__name__)


class BestTrialsLoader(base_plugin.TBLoader):  # type: ignore[misc]
    """Makes the plugin when TensorBoard starts."""

    def load(self, context: base_plugin.TBContext) -> base_plugin.TBPlugin | None:
        """Return the plugin; None, with a line in the log, if it cannot be made."""
        try:
            module = importlib.import_module("tuner.board.best_trials.plugin")
            return module.BestTrialsPlugin(context)
        except Exception as exc:  # noqa: BLE001 - whatever it is, TensorBoard goes on without the tab
            _log.warning("the tab Best trials cannot be shown: %s: %s", type(exc).__name__, exc)
            return None
