"""Which folder is the home: the configured one, else one for each account.

`make` of the first releases kept a home of its own in the clone, `.tuner`. Its studies are not
lost: it stays the home of a clone whose account has no other; otherwise a message points to it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from tuner.errors import SetupError

#: The database in a home, unless another one is configured.
DATABASE = "tuner.db"

#: A file that exists in the folder of a clone, and only there.
_OF_A_CLONE = "setup.sh"


def default_home(environ: Mapping[str, str], *, keeps_database: bool = True) -> Path:
    """Return the home if `TUNER_HOME` names none; it does not depend on the working directory.

    Args:
        environ: says where the account's data is.
        keeps_database: False: a database or a server is configured, and the studies are there.
    """
    home = account_home(environ)
    if home.exists() or not keeps_database:
        return home
    return clone_home() or home


def account_home(environ: Mapping[str, str]) -> Path:
    """Return the home of the account: `tuner` in `$XDG_DATA_HOME`, else in `~/.local/share`.

    Raises:
        SetupError: the account's folder is unknown, as in a container without HOME.
    """
    data = environ.get("XDG_DATA_HOME")
    base = Path(data) if data else Path(environ.get("HOME", "~")) / ".local" / "share"
    try:
        return (base / "tuner").expanduser().absolute()
    except RuntimeError as exc:
        raise SetupError(
            "this account has no home folder (HOME is not set); set TUNER_HOME to a folder that "
            "you can write"
        ) from exc


def clone_home(clone: Path | None = None) -> Path | None:
    """Return the home that `make` kept in the clone that this program runs from, if there is one.

    It is never looked for anywhere else: a `.tuner` in a downloaded folder holds other people's
    code, which would run. Whoever could put one into this clone could change this program as well.
    In a clone that several accounts share, it is the home of only the account that made it.

    Args:
        clone: the folder of the clone, by default that of this program.
    """
    root = clone if clone is not None else Path(__file__).resolve().parents[1]
    home = root / ".tuner"
    is_ours = _is_file(root / _OF_A_CLONE) and _is_own(home) and _is_file(home / DATABASE)
    return home if is_ours else None


def _is_own(folder: Path) -> bool:
    """Return whether it is a folder, not a link, that only this account may change."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    is_open = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not is_open


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
