"""Where Tuner runs: the `TUNER_*` environment, read once and passed down.

Every setting may also be given as a file that holds the value, as `TUNER_TOKEN_FILE=/run/token`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import SetupError
from tuner.homes import DATABASE, default_home
from tuner.logs import LogFormat, parse_log_format

#: Environment name (without `TUNER_`) of every setting, with what it means.
SETTINGS: dict[str, str] = {
    "HOME": "folder of the embedded service: database, token, logs (default ~/.local/share/tuner)",
    "DATABASE_URL": "SQLAlchemy URL of the database (default SQLite in the home)",
    "REDIS_URL": "Redis or Valkey to use (default: a private one is started)",
    "WORKER_REDIS_URL": "the same Redis as workers are told, with a user of their own",
    "API_URL": "URL of a running Tuner server (default: the local one, started when needed)",
    "TOKEN": "bearer token of the API (default: the home's token file)",
    "LOG_ROOT": "folder of the TensorBoard logs (default <home>/logs)",
    "CHECKPOINT_ROOT": "folder of the checkpoints (default <home>/checkpoints)",
    "IMAGE": "reference by digest of the container image this process runs in",
    "LOG_FORMAT": "how server and workers log: text (default) or json, one object a line",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Resolved settings; None means: not given, the embedded default applies."""

    home: Path
    log_root: Path
    checkpoint_root: Path
    database_url: str
    #: False: it is the one in the home.
    names_database: bool = False
    redis_url: str | None = None
    worker_redis_url: str | None = None
    api_url: str | None = None
    token: str | None = None
    image: str | None = None
    log_format: LogFormat = "text"

    @property
    def token_path(self) -> Path:
        """The local token, mode 600."""
        return self.home / "token"

    @property
    def service_path(self) -> Path:
        """Where the running local service says how to reach it."""
        return self.home / "service.json"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of this host."""
        return self.database_url.startswith("sqlite")


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings that `environ` asks for.

    Raises:
        SetupError: a `TUNER_*_FILE` cannot be read, a setting is given twice, or there is no such
            log format.
    """
    given = {name: value for name in SETTINGS if (value := _read(environ, name)) is not None}
    named = given.get("HOME")
    if named:
        home = Path(named).expanduser().absolute()
    else:
        home = default_home(environ, keeps_database=not given.keys() & {"DATABASE_URL", "API_URL"})
    _require_folder(home, is_named=named is not None)
    return Settings(
        home=home,
        log_root=Path(given.get("LOG_ROOT") or home / "logs").expanduser().absolute(),
        checkpoint_root=Path(given.get("CHECKPOINT_ROOT") or home / "checkpoints")
        .expanduser()
        .absolute(),
        database_url=given.get("DATABASE_URL") or f"sqlite:///{home / DATABASE}",
        names_database="DATABASE_URL" in given,
        redis_url=given.get("REDIS_URL"),
        worker_redis_url=given.get("WORKER_REDIS_URL"),
        api_url=_tidy_urls(given.get("API_URL")),
        token=given.get("TOKEN"),
        image=given.get("IMAGE"),
        log_format=parse_log_format(given.get("LOG_FORMAT")),
    )


def _require_folder(home: Path, *, is_named: bool) -> None:
    """Refuse a home that is a file: nothing would be found there, and nothing could be made."""
    if home.is_file():
        what = f"TUNER_HOME={home}" if is_named else f"{home}, Tuner's home"
        raise SetupError(f"{what}: is a file; set TUNER_HOME to a folder that you can write")


def _tidy_urls(urls: str | None) -> str | None:
    """Return server URLs without the path of the API, which all that ask them add."""
    if urls is None:
        return None
    tidy = (url.strip().rstrip("/").removesuffix("/v1") for url in urls.split(","))
    return ",".join(url for url in tidy if url) or None


def _read(environ: Mapping[str, str], name: str) -> str | None:
    plain, by_file = f"TUNER_{name}", f"TUNER_{name}_FILE"
    value, path = environ.get(plain), environ.get(by_file)
    if path is None:
        return value or None
    if value:
        raise SetupError(f"{plain} and {by_file} are both set; keep one")
    try:
        return Path(path).read_text().strip() or None
    except OSError as exc:
        raise SetupError(f"{by_file}={path}: cannot be read: {exc.strerror}") from exc
