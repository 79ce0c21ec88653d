"""The contract of every importer of folders, as a class of tests to inherit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

from tuner.history.importers.plugins.found_folder import FoundFolder
from tuner.registry import folder_importers
from tuner.testing.importer_contract import files


class FolderImporterContract:
    """The contract of an importer of folders. Subclass it and define `write`."""

    #: The importer's name, which is the kind of its studies.
    name: ClassVar[str]
    #: Number of runs in the folder.
    runs: ClassVar[int]

    def write(self, folder: Path) -> None:
        """Write files of the kind, with `runs` runs, into an empty folder."""
        raise NotImplementedError

    def test_a_folder_is_imported_whole(self) -> None:
        """Every run is imported with parameters and a metric, also from a folder above."""
        with files() as (here, folder):
            path = self._written(folder / "runs")
            (folder / "notes.txt").write_text("not a run\n")
            report = here.import_history(folder)
            (study,) = here.history.history()
            loaded = here.history.history_runs(study["key"])

        assert (report.imported, report.rejected) == (self.runs, 0), report
        assert (study["kind"], study["locator"]) == (self.name, str(path.resolve()))
        assert len(loaded) == self.runs
        assert study["parameters"]
        assert study["metrics"]

    def test_the_same_folder_again_changes_nothing(self) -> None:
        """A second import finds that everything exists."""
        with files() as (here, folder):
            path = self._written(folder / "runs")
            before = here.import_history(path)
            again = here.import_history(path)
            studies = here.history.history()

        assert again.is_unchanged
        assert again.unchanged == before.imported == self.runs
        assert len(studies) == 1

    def test_folders_of_other_kinds_are_left_to_others(self) -> None:
        """It takes no folder that is clearly of another kind, and raises no error."""
        read = folder_importers()[self.name]
        others = {
            "empty": {},
            "texts": {"text.txt": b"Dear diary\n", "list.json": b"[]", "config.json": b"{"},
            "odd": {"data.bin": bytes(range(256)), "empty.json": b"", "table.csv": b"a,b\n1,2\n"},
        }
        with files() as (_, folder):
            for name, contents in others.items():
                (folder / name).mkdir()
                for file, content in contents.items():
                    (folder / name / file).write_bytes(content)
                assert read(FoundFolder.at(folder / name)) is None, name

    def test_files_that_were_cut_off_break_nothing(self) -> None:
        """What is left of the folder is imported or rejected with a reason."""
        with files() as (here, folder):
            path = self._written(folder / "runs")
            for file in sorted(path.rglob("*")):
                if not file.is_file():
                    continue
                content = file.read_bytes()
                for part in (0, 1, 2):
                    file.write_bytes(content[: len(content) * part // 3])
                    report = here.import_history(path)
                    assert report.imported <= self.runs
                    assert report.imported + report.rejected + report.unchanged > 0
                file.write_bytes(content)

    def test_links_lead_nowhere(self) -> None:
        """Files that are links are not read: their targets may lie anywhere."""
        with files() as (here, folder):
            path = self._written(folder / "runs")
            shutil.copytree(path, folder / "elsewhere")
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    file.unlink()
                    file.symlink_to(folder / "elsewhere" / file.relative_to(path))
            report = here.import_history(path)

        assert report.imported == 0, report
        assert report.rejected > 0

    def _written(self, path: Path) -> Path:
        path.mkdir()
        self.write(path)
        return path
