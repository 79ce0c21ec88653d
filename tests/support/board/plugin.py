"""The tab's server side in this process, on TensorBoard's own data server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tensorboard.data import server_ingester
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.util.grpc_util import ChannelCredsType
from werkzeug.test import Client

from tests.support.patience import clock
from tuner.board.plugin import BestTrialsLoader

Answer = dict[str, Any]


class PluginClient:
    """Asks the plugin as a browser does; made by `open_plugin`.

    Args:
        apps: its routes.
    """

    def __init__(self, apps: Mapping[str, Any]) -> None:
        self._apps = {route: Client(app) for route, app in apps.items()}

    def ask(self, route: str, **query: object) -> tuple[int, bytes, Mapping[str, str]]:
        """Return the status, the content and the headers of an answer."""
        path = f"/data/plugin/best_trials/{route}"
        key = "/static/*" if route.startswith("static/") else f"/{route}"
        answer = self._apps[key].get(path, query_string={k: str(v) for k, v in query.items()})
        return answer.status_code, answer.get_data(), answer.headers

    def get(self, route: str, **query: object) -> Answer:
        """Return a good answer's document."""
        status, content, _ = self.ask(route, **query)
        assert status == 200, content[:500]
        document: Answer = json.loads(content)
        return document

    def problem(self, route: str, status: int, **query: object) -> Answer:
        """Return the document of an answer that says what is wrong."""
        found, content, _ = self.ask(route, **query)
        assert found == status, content[:500]
        document: Answer = json.loads(content)
        return document

    def wait(self, is_right: Callable[[Answer], bool], timeout_s: float = 60.0) -> Answer:
        """Return the first answer of `studies` that is right.

        Raises:
            TimeoutError: none was; the text holds the last one.
        """
        deadline = clock() + timeout_s
        while not is_right(answer := self.get("studies")):
            if clock() > deadline:
                raise TimeoutError(f"the tab still answers after {timeout_s} s: {answer}")
            time.sleep(0.05)
        return answer


@contextmanager
def open_plugin(logdir: Path) -> Iterator[PluginClient]:
    """Load the plugin on a log directory, which TensorBoard's data server reads every second."""
    ingester = server_ingester.SubprocessServerDataIngester(
        server_binary=server_ingester.get_server_binary(),
        logdir=str(logdir),
        reload_interval=1,
        channel_creds_type=ChannelCredsType.LOCAL,
    )
    ingester.start()
    context = TBContext(logdir=str(logdir), data_provider=ingester.data_provider)
    plugin = BestTrialsLoader().load(context)
    assert plugin is not None
    try:
        yield PluginClient(plugin.get_plugin_apps())
    finally:
        plugin.close()
        # The data server ends with its standard input.
        ingester._stdin_handle.close()
