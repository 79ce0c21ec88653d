"""What workers on other machines must be told, and whether it can be true there.

The server's URL, the token's file and the roots are the same words on every node; what can be seen
from here is checked here, and each worker looks at the rest before it starts.
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
    """Return the URLs of the server, with commas between, as nodes can reach it.

    Args:
        one_host: the cluster is this machine, so that a loopback address will do.

    Raises:
        SetupError: none is named, or one means the machine that asks.
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
    """Return the `TUNER_*` of the workers; the token itself is not among them."""
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
    """Make sure that a server answers there and lets a worker with this token in.

    Raises:
        SetupError: it does not let it in, is no Tuner, or the token would go unencrypted.
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
    """The server as a worker meets it."""

    def config(self) -> dict[str, Any]:
        """Return what a worker asks for first.

        Raises:
            ForbiddenError: the token may not work.
            SetupError: it is no token of this server.
            UnavailableError: the server does not answer.
        """
        config: dict[str, Any] = self._get("/config")
        return config


def run_program(
    words: Sequence[str], environ: Mapping[str, str], name: str, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a program of the scheduler; nothing of Tuner's is its business.

    `SBATCH_*` would overrule what stands in the script.

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
