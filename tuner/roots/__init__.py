"""Log root and checkpoint root: the folders that users' code writes into.

Nothing below them is trusted. Whatever this program opens, lists, writes or removes there goes
through a `Folder`: an open directory from which one name at a time is resolved, no link is
followed, and only a regular file of bounded size is opened. So nothing outside is ever touched,
and nothing that a trial has left there can block or fill this process.
"""

from tuner.roots.folder import Entry, Folder
from tuner.roots.mark import (
    CHECKPOINT_ROOT_MARK,
    LOG_ROOT_MARK,
    MARK_FILE,
    mark_root,
    read_mark,
)
from tuner.roots.named import open_named
from tuner.roots.place import Place, opened
from tuner.roots.removal import remove_folder
from tuner.roots.unfit import UnfitError, check_regular, kind_name

__all__ = [
    "CHECKPOINT_ROOT_MARK",
    "LOG_ROOT_MARK",
    "MARK_FILE",
    "Entry",
    "Folder",
    "Place",
    "UnfitError",
    "check_regular",
    "kind_name",
    "mark_root",
    "open_named",
    "opened",
    "read_mark",
    "remove_folder",
]
