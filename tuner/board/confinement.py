"""What TensorBoard may do: read the logs and itself, write its scratch folder, listen at its port.

It shows what users' code has written, with the plugins of many authors. Nothing of what the user
who starts it may do besides is of use to it.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping
from pathlib import Path

from tuner.board.landlock import Rights

#: Where interpreter and libraries are found, and how text is written; no setting of Tuner's, no
#: password, no name of a server.
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")

#: The variable that tells the tab Best trials where the files lie that the view's links lead to.
SOURCE = "TUNER_BOARD_SOURCE"

#: What programs of every kind look at: libraries, names of hosts, time zones, kinds of files.
_SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store",
)  # fmt: skip
_FACTS = (
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload",
    "/etc/locale.alias", "/etc/localtime", "/etc/timezone", "/etc/mime.types",
    "/etc/nsswitch.conf", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf",
    "/etc/os-release", "/etc/ssl/openssl.cnf", "/dev/urandom", "/dev/random", "/dev/zero",
    "/sys/devices/system/cpu", "/sys/fs/cgroup",
    # Not all of it: root may read the environments of other processes there.
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime",
    "/proc/version", "/proc/filesystems", "/proc/sys",
)  # fmt: skip


def board_environment(environ: Mapping[str, str], home: Path, source: Path) -> dict[str, str]:
    """Return the environment of a TensorBoard process.

    Args:
        environ: of the process that starts it.
        home: a scratch folder, its HOME and the place of its temporary files.
        source: the folder that the view mirrors.
    """
    kept = {name: environ[name] for name in _KEPT if name in environ}
    # Found by way of HOME otherwise: what `pip install --user` has installed.
    base = environ.get("PYTHONUSERBASE") or site.getuserbase()
    return {
        **kept,
        SOURCE: str(source),
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONUSERBASE": base,
        "PYTHONDONTWRITEBYTECODE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def board_rights(log_root: Path, view: Path, home: Path, port: int) -> Rights:
    """Return what a TensorBoard process may do.

    Call it in that process: its interpreter's folders are among it.

    Args:
        log_root: the files that the view's links lead to.
        view: see `View`.
        home: its scratch folder.
        port: where it listens.
    """
    own = (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent)
    modules = (Path(entry) for entry in sys.path if entry)
    libraries = (Path(part) for part in os.environ.get("LD_LIBRARY_PATH", "").split(":") if part)
    return Rights(
        read=(log_root, view, *(Path(path) for path in _FACTS)),
        run=(*(Path(path) for path in _SYSTEM), *own, *modules, *libraries),
        write=(home, Path("/dev/null")),
        # Its data server takes any free one.
        ports=(port, 0),
    )
