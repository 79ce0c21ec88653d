"""Where Tuner runs: the `TUNER_*` environment, read once and passed down.

Every setting may also be given as a file that holds the value, such as
`TUNER_TOKEN_FILE=/run/token`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tuner.errors import SetupError
from tuner.homes import DATABASE, default_home
from tuner.runtime.logs import LogFormat, parse_log_format
from tuner.runtime.system import parse_gpus_per_worker, parse_yes, read_setting
from tuner.security.trust import Trust

#: Environment name (without `TUNER_`) of every setting, with what it means.
SETTINGS: dict[str, str] = {
    "HOME": "folder of the embedded service: database, token, logs (default ~/.local/share/tuner)",
    "DATABASE_URL": "SQLAlchemy URL of the database (default SQLite in the home)",
    "REDIS_URL": "Redis or Valkey to use (default: a private one is started)",
    "WORKER_REDIS_URL": "the same Redis as workers are told, with a user of their own",
    "API_URL": "URL of a running Tuner server (default: the local one, started when needed)",
    "TOKEN": "bearer token of the API (default: the home's token file)",  # nosec B105  # a description
    "WORKER_TOKEN": "a token of the server's for its workers, which allows nothing but to work",  # nosec B105  # a description
    "WORKER_IMAGE": "image by digest that this token is bound to: its workers run in no other",
    "WORKER_LOCK": "SHA-256 of the lock file that this image was built with, which is compared",
    "WORKER_FILES": "what `python -m workers measure` says in this image, which is compared",
    "LOG_ROOT": "folder of the TensorBoard logs (default <home>/logs)",
    "CHECKPOINT_ROOT": "folder of the checkpoints (default <home>/checkpoints)",
    "IMAGE": "reference by digest of the container image this process runs in",
    "GPUS_PER_WORKER": "GPUs that each worker of this host owns (default 1)",
    "CA_FILE": "certificates of the authorities that are believed (default: those of the system)",
    "PLAIN_HTTP": "yes: a token may go to another machine over http://",
    "TLS_CERT": "certificate of `tuner serve`, a PEM file with those between it and its authority",
    "TLS_KEY": "private key of that certificate",
    "BEHIND_PROXY": "yes, or the addresses of the proxies: who stands before `tuner serve` has TLS",
    "LOG_FORMAT": "how server and workers log: text (default) or json, one object a line",
}

#: Settings that are file names: `TUNER_TLS_KEY_FILE` is the file itself, not a file with its name.
_FILES = frozenset({"TLS_CERT", "TLS_KEY"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Resolved settings; None means not set, so the embedded default applies."""

    home: Path
    log_root: Path
    checkpoint_root: Path
    database_url: str
    #: False: it is the database in the home.
    names_database: bool = False
    #: False: it is the log root in the home, which only its owner may read.
    names_log_root: bool = False
    names_checkpoint_root: bool = False
    redis_url: str | None = None
    worker_redis_url: str | None = None
    api_url: str | None = None
    token: str | None = field(default=None, repr=False)
    worker_token: str | None = field(default=None, repr=False)
    #: What the workers' token is bound to; see `tuner.security.identity.Identity`.
    worker_image: str | None = None
    worker_lock: str | None = None
    worker_files: str | None = None
    image: str | None = None
    #: Number of GPUs that each worker of this host owns; None: one.
    gpus_per_worker: int | None = None
    #: What the clients of this service trust.
    trust: Trust = field(default_factory=Trust)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    #: The server may listen for other machines without TLS; it trusts the headers of these proxies.
    behind_proxy: bool = False
    proxies: tuple[str, ...] = ()
    log_format: LogFormat = "text"

    @property
    def token_path(self) -> Path:
        """The local token file, with mode 600."""
        return self.home / "token"

    @property
    def service_path(self) -> Path:
        """The file in which the running local service says how to reach it."""
        return self.home / "service.json"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file on this host."""
        return self.database_url.startswith("sqlite")


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings in `environ`.

    Raises:
        SetupError: a `TUNER_*_FILE` cannot be read, a setting is given twice, or the log format is
            unknown.
    """
    given = {name: value for name in SETTINGS if (value := _read(environ, name)) is not None}
    named = given.get("HOME")
    if named:
        home = Path(named).expanduser().absolute()
    else:
        home = default_home(environ, keeps_database=not given.keys() & {"DATABASE_URL", "API_URL"})
    _require_folder(home, is_named=named is not None)
    proxy = given.get("BEHIND_PROXY")
    trust = Trust(
        ca_file=_file(given.get("CA_FILE")),
        plain_http=parse_yes("TUNER_PLAIN_HTTP", given.get("PLAIN_HTTP")),
    )
    redis_url, per_worker = given.get("REDIS_URL"), given.get("GPUS_PER_WORKER")
    return Settings(
        home=home,
        log_root=Path(given.get("LOG_ROOT") or home / "logs").expanduser().absolute(),
        checkpoint_root=Path(given.get("CHECKPOINT_ROOT") or home / "checkpoints")
        .expanduser()
        .absolute(),
        database_url=trust.complete(given.get("DATABASE_URL") or "")
        or f"sqlite:///{home / DATABASE}",
        names_database="DATABASE_URL" in given,
        names_log_root="LOG_ROOT" in given,
        names_checkpoint_root="CHECKPOINT_ROOT" in given,
        redis_url=redis_url and trust.complete(redis_url),
        worker_redis_url=given.get("WORKER_REDIS_URL"),
        api_url=_tidy_urls(given.get("API_URL")),
        token=given.get("TOKEN"),
        worker_token=given.get("WORKER_TOKEN"),
        worker_image=given.get("WORKER_IMAGE"),
        worker_lock=given.get("WORKER_LOCK"),
        worker_files=given.get("WORKER_FILES"),
        image=given.get("IMAGE"),
        gpus_per_worker=None
        if per_worker is None
        else parse_gpus_per_worker("TUNER_GPUS_PER_WORKER", per_worker),
        trust=trust,
        tls_cert=_file(given.get("TLS_CERT")),
        tls_key=_file(given.get("TLS_KEY")),
        behind_proxy=proxy not in (None, "no"),
        proxies=() if proxy in (None, "no", "yes") else parse_proxies("TUNER_BEHIND_PROXY", proxy),
        log_format=parse_log_format(given.get("LOG_FORMAT")),
    )


def parse_proxies(name: str, value: str) -> tuple[str, ...]:
    """Return the addresses and networks in a comma-separated list.

    Raises:
        SetupError: one is neither.
    """
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    for part in found:
        try:
            ipaddress.ip_network(part)
        except ValueError as exc:
            raise SetupError(
                f"{name}={value}: {part} is neither an address nor a network, "
                "as 10.0.0.2 or 10.0.0.0/24"
            ) from exc
    return found


def _file(path: str | None) -> Path | None:
    return None if path is None else Path(path).expanduser().absolute()


def _require_folder(home: Path, *, is_named: bool) -> None:
    """Refuse a home that is a file: nothing could be found or created there."""
    if home.is_file():
        what = f"TUNER_HOME={home}" if is_named else f"{home}, Tuner's home"
        raise SetupError(f"{what}: is a file; set TUNER_HOME to a folder that you can write")


def _tidy_urls(urls: str | None) -> str | None:
    """Return server URLs without the path of the API, which every client appends."""
    if urls is None:
        return None
    tidy = (url.strip().rstrip("/").removesuffix("/v1") for url in urls.split(","))
    return ",".join(url for url in tidy if url) or None


def _read(environ: Mapping[str, str], name: str) -> str | None:
    by_file = environ.get(f"TUNER_{name}_FILE")
    if name in _FILES and by_file is not None and not environ.get(f"TUNER_{name}"):
        return by_file or None
    return read_setting(environ, name)
