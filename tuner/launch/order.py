"""A launch as requested on the command line, and the plan made of it once its needs can be met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tuner.errors import SetupError
from tuner.launch.files import find_token_file
from tuner.launch.plan import Plan
from tuner.launch.surroundings import check_server, find_url, worker_settings
from tuner.roots import CHECKPOINT_ROOT_MARK, LOG_ROOT_MARK, Place, mark_root, read_mark
from tuner.settings import Settings

#: Purpose: to show the script (creating nothing and contacting nobody), to write it to a file for
#: another machine, or to start the workers.
Purpose = Literal["show", "write", "start"]


@dataclass(frozen=True, kw_only=True)
class LaunchOrder:
    """Workers as requested; each option has been checked separately."""

    name: str
    workers: int
    #: Path of Python on the nodes.
    python: str
    gpus: int = 0
    #: Seconds; None: a worker stays.
    idle_s: float | None = None
    exports: Mapping[str, str] = field(default_factory=dict)
    #: None: the token of this command.
    token_file: Path | None = None
    #: Whether the cluster is this machine, so that its own service may be used.
    one_host: bool = False
    #: `name@sha256:…` that the workers run in.
    image: str | None = None

    def plan(self, settings: Settings, environ: Mapping[str, str], purpose: Purpose) -> Plan:
        """Return the plan, with settings that are valid on every node.

        Raises:
            SetupError: no server reachable from the nodes is configured, it does not accept the
                workers' token, or a root cannot be used.
            UnavailableError: the server does not answer.
        """
        url = self._find_url(settings, environ, purpose)
        token_file = find_token_file(settings, environ, self.token_file, one_host=self.one_host)
        found = worker_settings(settings, url, token_file)
        if self.image is not None:
            found["TUNER_IMAGE"] = self.image
        if purpose == "start":
            check_server(url, token_file, settings.trust)
        marks = mark_roots(settings.log_root, settings.checkpoint_root, make=purpose != "show")
        return Plan(
            name=self.name,
            workers=self.workers,
            settings={**found, **marks},
            python=self.python,
            gpus=self.gpus,
            idle_s=self.idle_s,
            exports=self.exports,
        )

    def _find_url(self, settings: Settings, environ: Mapping[str, str], purpose: Purpose) -> str:
        """Return the server's URL; on a single host the service is started as by `workers up`.

        Raises:
            SetupError: no server reachable from the nodes is configured, or none runs here yet.
        """
        if settings.api_url is not None or not self.one_host:
            return find_url(settings, one_host=self.one_host)
        from tuner.local import find_api, start_api

        api = start_api(settings, environ) if purpose == "start" else find_api(settings)
        if api is None:
            raise SetupError("no service runs here yet; start one with: tuner serve")
        with api:
            return api.url


def mark_roots(log_root: Path, checkpoint_root: Path, *, make: bool) -> dict[str, str]:
    """Return the variables that name the marks to a worker.

    Args:
        make: make roots and marks that are missing; else what has none is left out.

    Raises:
        SetupError: a root cannot be made, marked or read here.
    """
    found: dict[str, str] = {}
    for name, root, variable in (
        ("LOG_ROOT", log_root, LOG_ROOT_MARK),
        ("CHECKPOINT_ROOT", checkpoint_root, CHECKPOINT_ROOT_MARK),
    ):
        if not make and not Place(root).exists():
            continue
        try:
            mark = mark_root(root) if make else read_mark(root)
        except OSError as exc:
            raise SetupError(
                f"TUNER_{name}={root}: cannot be used here: {exc.strerror or exc}; name a "
                f"folder that this machine and all nodes share, and that you may write"
            ) from exc
        if mark is not None:
            found[variable] = mark
    return found
