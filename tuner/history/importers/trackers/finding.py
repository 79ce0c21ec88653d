"""Folders written by experiment trackers: which are theirs, and the studies in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tuner.history.importers.folders import ScannedFolder
from tuner.history.importers.source import FoundStudy
from tuner.history.importers.trackers import mlflow_files, neptune, wandb_files


class Trackers:
    """The folders of all trackers. Mutable: folders are added one by one, parents first."""

    def __init__(self) -> None:
        self._mlflow: list[ScannedFolder] = []
        self._wandb: list[ScannedFolder] = []
        self._neptune: list[ScannedFolder] = []

    def take(self, folder: ScannedFolder) -> bool:
        """Add a folder if it is a tracker's; return whether its subfolders belong to one run."""
        if folder.has(mlflow_files.META):
            self._mlflow.append(folder)
            return mlflow_files.is_run(folder)
        if any(file.name.endswith(wandb_files.END) for file in folder.json_files):
            self._wandb.append(folder)
            return True
        if any(neptune.PART.fullmatch(file.name) for file in folder.json_files):
            self._neptune.append(folder)
        return False

    def studies(self) -> list[FoundStudy]:
        """Return the studies of all trackers."""
        return [
            *mlflow_files.find_experiments(self._mlflow),
            *wandb_files.find_runs(self._wandb),
            *neptune.find_projects(self._neptune),
        ]


def inner_stamps(folders: Iterable[ScannedFolder]) -> Iterator[str]:
    """Yield the stamps of files deeper in a run than the scan of folders looks."""
    for folder in folders:
        if folder.has(mlflow_files.META):
            yield mlflow_files.stamp(folder)
