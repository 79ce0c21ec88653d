"""Which folder is the home: the one that was named, else one for each account.

`make` of the first releases kept a home of its own in the clone, `.tuner`. Nobody loses the studies
in there: it stays the home of a clone whose account has no other, else it is pointed at.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from tuner.errors import SetupError

#: The database in a home, unless another one was named.
DATABASE = "tuner.db"

#: In the folder of a clone, and only there.
_OF_A_CLONE = "setup.sh"


def default_home(environ: Mapping[str, str], *, keeps_database: bool = True) -> Path:
    """Return the home where `TUNER_HOME` names none; the working directory plays no part in it.

    Args:
        environ: says where the account's data are.
        keeps_database: False: a database or a server was named, and the studies are there.
    """
    home = account_home(environ)
    if home.exists() or not keeps_database:
        return home
    return clone_home() or home


def account_home(environ: Mapping[str, str]) -> Path:
    """Return the home of the account: `tuner` in `$XDG_DATA_HOME`, else in `~/.local/share`.

    Raises:
        SetupError: nobody knows where the account's folder is, as in a container without HOME.
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
    """Return the home that `make` kept in the clone that this program runs from, None without one.

    It is never looked for anywhere else: a `.tuner` in a folder that was downloaded holds code of
    others to be run. Whoever could put one into this clone could change this program as well. In a
    clone that several accounts share, it is the home of the account that made it alone.

    Args:
        clone: its folder, by default that of this program.
    """
    root = clone if clone is not None else Path(__file__).resolve().parents[1]
    home = root / ".tuner"
    is_ours = _is_file(root / _OF_A_CLONE) and _is_own(home) and _is_file(home / DATABASE)
    return home if is_ours else None


def _is_own(folder: Path) -> bool:
    """Return whether it is a folder, no link to one, that only this account may change."""
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
