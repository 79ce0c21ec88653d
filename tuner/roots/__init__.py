"""Log root and checkpoint root: the folders that users' code writes to.

Nothing below them is trusted. Whatever this program opens, lists, writes or removes there goes
through a `Folder`: an open directory from which one name at a time is resolved, no link is
followed, and only regular files of bounded size are opened. So nothing outside is ever touched, and
nothing that a trial has left there can block or fill this process.
"""

from tuner.roots.folder import Folder as Folder
from tuner.roots.mark import CHECKPOINT_ROOT_MARK as CHECKPOINT_ROOT_MARK
from tuner.roots.mark import LOG_ROOT_MARK as LOG_ROOT_MARK
from tuner.roots.mark import MARK_FILE as MARK_FILE
from tuner.roots.mark import mark_root as mark_root
from tuner.roots.mark import read_mark as read_mark
from tuner.roots.named import open_named as open_named
from tuner.roots.place import Place as Place
from tuner.roots.place import opened as opened
from tuner.roots.removal import remove_folder as remove_folder
from tuner.roots.unfit import UnfitError as UnfitError
from tuner.roots.unfit import check_regular as check_regular
from tuner.roots.unfit import kind_name as kind_name
