"""Where a worker works: its part of the `TUNER_*` environment, read once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tuner.errors import SetupError
from tuner.runtime.logs import LogFormat, parse_log_format
from tuner.runtime.system import parse_gpus_per_worker, parse_yes, read_setting
from tuner.security.trust import Trust


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Resolved settings of a worker process."""

    api_url: str
    home: Path
    log_root: Path
    checkpoint_root: Path
    image: str | None = None
    trust: Trust = field(default_factory=Trust)

    @property
    def code_root(self) -> Path:
        """The folder into which code snapshots are unpacked."""
        return self.home / "code"


def load_options(environ: Mapping[str, str]) -> WorkerOptions:
    """Return the settings in `environ`.

    Raises:
        SetupError: the server's URL is missing, or a `TUNER_*_FILE` cannot be read.
    """
    home = _folder(environ, "HOME", _default_home(environ))
    return WorkerOptions(
        api_url=_required(environ, "API_URL", "the URL of the Tuner server"),
        home=home,
        log_root=_folder(environ, "LOG_ROOT", home / "logs"),
        checkpoint_root=_folder(environ, "CHECKPOINT_ROOT", home / "checkpoints"),
        image=read_setting(environ, "IMAGE"),
        trust=_load_trust(environ),
    )


def _load_trust(environ: Mapping[str, str]) -> Trust:
    ca_file = environ.get("TUNER_CA_FILE")
    plain = parse_yes("TUNER_PLAIN_HTTP", read_setting(environ, "PLAIN_HTTP"))
    return Trust(ca_file=Path(ca_file) if ca_file else None, plain_http=plain)


def load_token(environ: Mapping[str, str]) -> str:
    """Return the token, which is kept apart from what a forked trial inherits.

    Raises:
        SetupError: it is missing, or its file cannot be read.
    """
    return _required(environ, "TOKEN", "the token of the Tuner server")


def load_log_format(environ: Mapping[str, str]) -> LogFormat:
    """Return this process's log format.

    Raises:
        SetupError: there is no such format.
    """
    return parse_log_format(read_setting(environ, "LOG_FORMAT"))


def load_gpus_per_worker(environ: Mapping[str, str], given: str | None) -> int:
    """Return how many GPUs each worker of a fleet owns, by default 1.

    Args:
        given: from the command line; None: not given.

    Raises:
        SetupError: it is not a number from 1 to 8, or the setting's file cannot be read.
    """
    if given is not None:
        return parse_gpus_per_worker("--gpus-per-worker", given)
    setting = read_setting(environ, "GPUS_PER_WORKER")
    return parse_gpus_per_worker("TUNER_GPUS_PER_WORKER", setting) if setting else 1


def _default_home(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_DATA_HOME")
    return Path(base or "~/.local/share") / "tuner"


def _folder(environ: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(os.path.abspath(Path(read_setting(environ, name) or default).expanduser()))  # noqa: PTH100


def _required(environ: Mapping[str, str], name: str, meaning: str) -> str:
    value = read_setting(environ, name)
    if value is None:
        raise SetupError(
            f"TUNER_{name} is not set: give {meaning} in it, or a file in TUNER_{name}_FILE"
        )
    return value
