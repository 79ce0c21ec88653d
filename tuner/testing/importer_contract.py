"""The contract of every importer of files, as a class of tests to inherit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from tuner.history.importers.files import FoundFile
from tuner.registry import IMPORTERS
from tuner.testing.service import LocalService, service


class ImporterContract:
    """The contract of an importer of files. Subclass it and define the name and `write`."""

    #: The kind of the imports.
    name: ClassVar[str]
    #: Number of runs in the file.
    runs: ClassVar[int]

    def write(self, folder: Path) -> Path:
        """Write a file of the kind, with `runs` runs, into a folder; return its path."""
        raise NotImplementedError

    def test_a_file_is_imported_whole(self) -> None:
        """Every run is imported with parameters and a metric, and nothing is rejected."""
        with files() as (here, folder):
            report = here.import_history(self.write(folder))
            (study,) = here.history.history()
            loaded = here.history.history_runs(study["key"])

        assert (report.imported, report.rejected) == (self.runs, 0), report
        assert (study["kind"], study["trials"], len(loaded)) == (self.name, self.runs, self.runs)
        assert study["parameters"]
        assert study["metrics"]

    def test_the_same_file_again_changes_nothing(self) -> None:
        """A second import finds that everything exists."""
        with files() as (here, folder):
            path = self.write(folder)
            before = here.import_history(path)
            again = here.import_history(path)
            studies = here.history.history()

        assert again.is_unchanged
        assert again.unchanged == before.imported
        assert len(studies) == 1

    def test_files_of_other_kinds_are_left_to_others(self) -> None:
        """It accepts no file that clearly is of another kind, and raises no error for one."""
        make = IMPORTERS.make(self.name)
        others = {
            "table.csv": b"rate,score\n0.1,0.5\n",
            "text.txt": b"Dear diary\nno runs today\n",
            "list.json": b"[]",
            "data.bin": bytes(range(256)),
        }
        with files() as (here, folder):
            for name, content in others.items():
                path = folder / name
                path.write_bytes(content)
                if self.name == Path(name).suffix[1:]:
                    continue
                assert make(FoundFile(path=path, start=content, stamp="1")) is None, name
            report = here.import_history(folder / "table.csv", goals={"score": "maximize"})

        assert (report.imported, report.rejected) == (1, 0), report

    def test_a_file_that_was_cut_off_breaks_nothing(self) -> None:
        """What is left of it is imported or rejected with a reason."""
        with files() as (here, folder):
            path = self.write(folder)
            content = path.read_bytes()
            for part in range(1, 8):
                path.write_bytes(content[: len(content) * part // 8 or 1])
                report = here.import_history(path)
                assert report.imported <= self.runs
                assert report.imported + report.rejected + report.unchanged > 0


@contextmanager
def files() -> Iterator[tuple[LocalService, Path]]:
    """Provide a service, and a folder for files."""
    with tempfile.TemporaryDirectory(prefix="tuner-files-") as folder, service() as here:
        yield here, Path(folder)
