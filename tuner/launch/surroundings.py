"""The settings that workers on other machines need, and whether they are valid there.

The server's URL, the token's file and the roots are identical on every node; what can be verified
from here is checked here, and each worker checks the rest at start.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tuner.connection import Connection
from tuner.errors import ForbiddenError, SetupError, UnavailableError
from tuner.launch.files import read_token_file
from tuner.protocol import VERSION
from tuner.security.trust import Trust, is_loopback
from tuner.settings import Settings


def find_url(settings: Settings, *, one_host: bool) -> str:
    """Return the server's URLs, separated by commas, as reachable from the nodes.

    Args:
        one_host: the cluster is this machine, so that a loopback address is sufficient.

    Raises:
        SetupError: none is configured, or one refers to the requesting machine itself.
    """
    if settings.api_url is None:
        raise SetupError(
            "no server is named: the workers run on other machines and must reach one. Start it "
            "where they can (tuner serve --host 0.0.0.0 --tls-cert FILE --tls-key FILE, "
            "docs/tokens.md) and name it here with TUNER_API_URL=https://HOST:PORT; or say "
            "--one-host where the cluster is this machine"
        )
    for url in settings.api_url.split(","):
        host = _host(url)
        if is_loopback(host) and not one_host:
            raise SetupError(
                f"TUNER_API_URL={url}: on each node {host} is the node itself, where no server is; "
                f"name this machine by its own name or address (and let the server listen there: "
                f"tuner serve --host 0.0.0.0), or say --one-host where the cluster is this machine"
            )
    return settings.api_url


def _host(url: str) -> str:
    try:
        return urlsplit(url.strip()).hostname or ""
    except ValueError:
        return ""  # the connection says what is wrong with it


def worker_settings(settings: Settings, url: str, token_file: Path) -> dict[str, str]:
    """Return the workers' `TUNER_*` settings, without the token itself."""
    found = {
        "TUNER_API_URL": url,
        "TUNER_TOKEN_FILE": str(token_file),
        "TUNER_HOME": str(settings.home),
        "TUNER_LOG_ROOT": str(settings.log_root),
        "TUNER_CHECKPOINT_ROOT": str(settings.checkpoint_root),
    }
    if settings.trust.ca_file is not None:
        found["TUNER_CA_FILE"] = str(settings.trust.ca_file)
    if settings.trust.plain_http:
        found["TUNER_PLAIN_HTTP"] = "yes"
    if settings.log_format != "text":
        found["TUNER_LOG_FORMAT"] = settings.log_format
    return found


def check_server(url: str, token_file: Path, trust: Trust) -> None:
    """Check that a server answers there and accepts a worker with this token.

    Raises:
        SetupError: it does not accept it, is not Tuner, or the token would be sent unencrypted.
        UnavailableError: none of the servers answers.
    """
    token = read_token_file(token_file)
    *others, last = [one.strip() for one in url.split(",")]
    for one in others:
        try:
            return _check_one(one, token, token_file, trust)
        except UnavailableError:
            continue
    return _check_one(last, token, token_file, trust)


def _check_one(url: str, token: str, token_file: Path, trust: Trust) -> None:
    with _Door(url, token, trust) as door:
        try:
            config = door.config()
        except ForbiddenError as exc:
            raise SetupError(
                f"--token-file {token_file}: {exc}; make one for workers with: "
                f"tuner token create NAME --scope work -o FILE"
            ) from exc
        except SetupError as exc:
            said = str(exc).partition("; set TUNER_TOKEN")[0]
            raise SetupError(f"--token-file {token_file}: {said}") from exc
    if config.get("protocol") != VERSION:
        raise SetupError(
            f"{url}: Tuner {config.get('release')} speaks protocol {config.get('protocol')}, the "
            f"workers that are installed here speak {VERSION}; install the same release on both"
        )


class _Door(Connection):
    """The server as seen by a worker."""

    def config(self) -> dict[str, Any]:
        """Return what a worker requests first.

        Raises:
            ForbiddenError: the token does not permit working.
            SetupError: it is not a token of this server.
            UnavailableError: the server does not answer.
        """
        config: dict[str, Any] = self._get("/config")
        return config


def run_program(
    words: Sequence[str], environ: Mapping[str, str], name: str, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a program of the scheduler, without Tuner's settings in its environment.

    `SBATCH_*` would override the options in the script.

    Raises:
        UnavailableError: it has not ended in time; the text calls it `name`.
    """
    try:
        return subprocess.run(
            words,
            env={k: v for k, v in environ.items() if not k.startswith(("TUNER_", "SBATCH_"))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise UnavailableError(f"{name} has said nothing for {timeout_s:g} s") from exc
