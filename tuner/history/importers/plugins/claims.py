"""Folders that the importers of plugins recognise, and the studies that they find in them.

The walk offers every folder, parents first, except those that Tuner recognises with certainty and
everything below them. An importer that takes a folder takes everything below it as well.
"""

from __future__ import annotations

from pathlib import Path

from tuner.history.importers.folders import ScannedFolder
from tuner.history.importers.listing import Refuse, why_not
from tuner.history.importers.log_root import is_run
from tuner.history.importers.plugins.asking import ask, title_of
from tuner.history.importers.plugins.found_folder import FoundFolder
from tuner.history.importers.plugins.study import PluginStudy
from tuner.history.store.records import Rejection
from tuner.registry import IMPORTERS, folder_importers
from tuner.roots import Place

#: Folders of many kinds have files with these names.
_COMMON = ("config.json", "trial.json")


class Claims:
    """The folders of one walk that plugins take. Mutable: the folders come one by one.

    Args:
        root: absolute path of the folder where the walk begins.
        refuse: called for importers that fail, and for what cannot be read.
    """

    def __init__(self, root: str, refuse: Refuse) -> None:
        self._root = root
        self._refuse = refuse
        self._importers = folder_importers()
        self._inside = "\0"
        self._is_taken = False
        self.studies: list[PluginStudy] = []
        #: Path, package and the stamp of all files of each folder that was taken.
        self.stamps: list[tuple[str, str | None, str]] = []

    def take(self, folder: ScannedFolder) -> bool:
        """Return whether an importer takes a folder, or has taken one above it."""
        if folder.path.startswith(self._inside):
            return self._is_taken
        if not self._importers:
            return False
        if _is_known(folder):
            self._inside, self._is_taken = folder.path.rstrip("/") + "/", False
            return False
        if not self._claim(folder.path):
            return False
        self._inside, self._is_taken = folder.path.rstrip("/") + "/", True
        return True

    def _claim(self, path: str) -> bool:
        relative = path.removeprefix(self._root).lstrip("/")
        found = FoundFolder(Place(Path(self._root), relative))
        if not found.is_reachable():
            return False  # only through a link, which Tuner's own importers may follow
        for name, read in self._importers.items():
            items = ask(name, read, found, path, self._refuse)
            if items is None:
                continue
            try:
                stamp = found.stamp()
            except OSError as exc:
                self._refuse(Rejection(path=exc.filename or path, reason=why_not(exc)))
                return True
            self.stamps.append((path, IMPORTERS.package_of(name), stamp))
            self.studies.append(PluginStudy(name, title_of(name), path, stamp, items))
            return True
        return False


def _is_known(folder: ScannedFolder) -> bool:
    """Whether Tuner recognises a folder with certainty: as its own run, or by a tool's files."""
    return is_run(folder) or any(file.name not in _COMMON for file in folder.json_files)
