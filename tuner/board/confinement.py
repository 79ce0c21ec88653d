"""What TensorBoard may do: read logs and itself, write its scratch folder, listen on its port.

It shows what users' code has written, with plugins of many authors. It needs none of the other
rights of the user who starts it.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping
from pathlib import Path

from tuner.board.landlock import Rights

#: Variables for finding interpreter and libraries, and for encodings; none of Tuner's settings, no
#: passwords, no names of servers.
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")

#: The variable that tells the Best trials tab the folder that the view's links lead to.
SOURCE = "TUNER_BOARD_SOURCE"

#: What programs of all kinds read: libraries, host names, time zones, file types.
_SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store",
)  # fmt: skip
_FACTS = (
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload",
    "/etc/locale.alias", "/etc/localtime", "/etc/timezone", "/etc/mime.types",
    "/etc/nsswitch.conf", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf",
    "/etc/os-release", "/etc/ssl/openssl.cnf", "/dev/urandom", "/dev/random", "/dev/zero",
    "/sys/devices/system/cpu", "/sys/fs/cgroup",
    # Not all of /proc: root may read the environments of other processes there.
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime",
    "/proc/version", "/proc/filesystems", "/proc/sys",
)  # fmt: skip


def board_environment(environ: Mapping[str, str], home: Path, source: Path) -> dict[str, str]:
    """Return the environment of a TensorBoard process.

    Args:
        environ: of the process that starts it.
        home: a scratch folder, its HOME and the folder for its temporary files.
        source: the folder that the view mirrors.
    """
    kept = {name: environ[name] for name in _KEPT if name in environ}
    # Otherwise HOME determines where packages installed with `pip install --user` are.
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

    Call it in that process: it includes the folders of its interpreter.

    Args:
        log_root: the files that the view's links lead to.
        view: see `View`.
        home: its scratch folder.
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
