"""Importers of packages that read folders: what they may see, and what their faults cost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.toy_packages import installed, uninstalled, write_package
from tuner.history.importers.plugins import found_folder
from tuner.history.importers.plugins.found_folder import FoundFolder
from tuner.roots import UnfitError
from tuner.testing import LocalService, service

DATA = Path(__file__).resolve().parents[1] / "data" / "history"
CODE = """
import json
from tuner.history.store.records import HistoricTrial
from tuner.registry import HistoryImporter

OFFERED = []

def read_toys(folder):
    OFFERED.append(folder.path)
    return runs(folder) if folder.has("toys.txt") else None

def runs(folder):
    for name in folder.files():
        if name.endswith(".run"):
            yield HistoricTrial(key=name, **json.loads(folder.read(name)))
    for inner in folder.folders():
        yield from runs(inner)

def escape(folder):
    return iter([folder.read(folder.read("aims").decode())]) if folder.has("aims") else None

def broken(folder):
    if folder.has("odd.txt"):
        raise RuntimeError("no idea")

toys = HistoryImporter(folder=read_toys, says="a folder of toys")
broken = HistoryImporter(folder=broken)
escaping = HistoryImporter(folder=escape)
"""
ENTRIES = """
[tuner.importers]
broken = folder_toys:broken
escaping = folder_toys:escaping
toys = folder_toys:toys
gone = folder_gone:make
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("site")
    write_package(folder, "folder-toys", "1.0", {"folder_toys": CODE}, ENTRIES)
    with installed(folder):
        yield folder


@pytest.fixture
def here(site: Path) -> Iterator[LocalService]:
    with service() as made:
        yield made


def write_toys(folder: Path, runs: int = 2) -> Path:
    folder.mkdir(parents=True)
    (folder / "toys.txt").write_text("toys\n")
    for number in range(runs):
        run = {"params": {"x": number / 4}, "metrics": {"score": number}}
        (folder / f"{number}.run").write_text(json.dumps(run))
    return folder


def reasons(report: Any) -> list[str]:
    return [line.reason for line in report.refused]


def kinds(here: LocalService) -> dict[str, str]:
    studies = here.history.history()
    return {Path(study["locator"]).name: study["kind"] for study in studies}


def test_folders_of_a_package_are_found_at_every_depth_beside_those_of_others(
    here: LocalService, tmp_path: Path
) -> None:
    write_toys(tmp_path / "old" / "cars", runs=3)
    write_toys(tmp_path / "dolls")
    shutil.copytree(DATA / "mlflow", tmp_path / "mlflow")

    report = here.import_history(tmp_path)

    assert report.refused == []
    assert kinds(here).items() >= {"cars": "toys", "dolls": "toys"}.items()
    assert "mlflow" in kinds(here).values()
    assert {s.locator: s.imported for s in report.studies}[str(tmp_path / "old/cars")] == 3


def test_what_lies_below_a_folder_is_that_of_its_importer_alone(
    here: LocalService, tmp_path: Path
) -> None:
    path = write_toys(tmp_path / "toys")
    write_toys(path / "more", runs=0)
    (path / "more" / "9.run").write_text('{"params": {"x": 1}, "metrics": {"score": 9}}')
    shutil.copytree(DATA / "mlflow", path / "mlflow")

    report = here.import_history(path)

    assert (report.imported, report.rejected) == (3, 0)
    assert kinds(here) == {"toys": "toys"}


@pytest.mark.parametrize("tool", ["kerastuner", "mlflow", "wandb", "neptune"])
def test_what_tuner_knows_is_offered_to_nobody(
    here: LocalService, tmp_path: Path, tool: str
) -> None:
    import folder_toys  # type: ignore[import-not-found]

    shutil.copytree(DATA / tool, tmp_path / tool)
    folder_toys.OFFERED.clear()

    report = here.import_history(tmp_path)

    assert report.imported > 0
    assert folder_toys.OFFERED
    for path in map(Path, folder_toys.OFFERED):
        for folder in (path, *path.parents):
            names = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
            assert not names & {"oracle.json", "meta.yaml"}, path
            assert not any(name.endswith((".wandb", ".parquet")) for name in names), path


def test_a_folder_that_has_not_changed_is_not_read_again(
    here: LocalService, site: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_toys(tmp_path / "toys")
    write_toys(path / "more", runs=0)
    here.import_history(tmp_path)
    assert here.import_history(tmp_path).is_unchanged

    (path / "more" / "9.run").write_text('{"params": {"x": 1}, "metrics": {"score": 9}}')
    assert here.import_history(tmp_path).imported == 3

    assert here.import_history(tmp_path).is_unchanged
    newer = tmp_path_factory.mktemp("newer") / "site"
    shutil.copytree(site, newer)
    info = newer / "folder_toys-1.0.dist-info" / "METADATA"
    info.write_text(info.read_text().replace("1.0", "1.1"))
    with uninstalled(site), installed(newer):
        assert not here.import_history(tmp_path).is_unchanged


def test_an_importer_that_fails_is_named_and_costs_the_others_nothing(
    here: LocalService, tmp_path: Path
) -> None:
    path = write_toys(tmp_path / "toys")
    (path / "odd.txt").write_text("odd")

    report = here.import_history(path)

    assert report.imported == 2
    assert reasons(report) == [
        "the importer 'broken' of folder-toys 1.0 failed: RuntimeError: no idea"
    ]


def test_a_file_that_breaks_an_importer_is_named_in_one_sentence(
    here: LocalService, tmp_path: Path
) -> None:
    path = write_toys(tmp_path / "toys")
    (path / "1.run").write_text("{")

    (study,) = here.import_history(path).studies

    assert (study.imported, study.rejected) == (1, 1)
    assert reasons(study)[0].startswith(
        "the importer 'toys' of folder-toys 1.0 failed after 1 runs: JSONDecodeError: "
    )


@pytest.mark.parametrize("aim", ["../secret", "/etc/passwd", "..", "", "a/b", "link", "fifo"])
def test_no_name_leads_out_of_the_folder(here: LocalService, tmp_path: Path, aim: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "aims").write_text(aim)
    (folder / "link").symlink_to(secret)
    os.mkfifo(folder / "fifo")

    report = here.import_history(folder)

    (reason,) = reasons(report)
    assert reason.startswith("the importer 'escaping' of folder-toys 1.0 failed: ")
    assert report.imported == 0
    assert here.history.history() == []


def test_links_and_second_names_are_not_read(here: LocalService, tmp_path: Path) -> None:
    path = write_toys(tmp_path / "toys")
    elsewhere = write_toys(tmp_path / "elsewhere" / "of" / "others", runs=5)
    (path / "more").symlink_to(elsewhere)
    (path / "8.run").symlink_to(elsewhere / "4.run")
    assert here.import_history(path).imported == 2

    found = FoundFolder.at(path)
    assert (found.has("1.run"), found.has("8.run"), found.has("more")) == (True, False, False)

    os.link(elsewhere / "4.run", path / "9.run")
    assert not found.has("9.run")
    (study,) = here.import_history(path).studies

    assert study.imported == 2
    assert "9.run: has several names (hard links), and must have one" in reasons(study)[0]


def test_runs_of_tuner_and_what_links_lead_to_are_offered_to_nobody(
    here: LocalService, tmp_path: Path
) -> None:
    import folder_toys

    root = tmp_path / "logs"
    run = write_toys(root / "demo" / "s" / "trial_00001-20260101T000000Z")
    (run / "config.json").write_text("{}")
    write_toys(run / "inner")
    write_toys(root / "demo" / "toys")
    write_toys(tmp_path / "elsewhere" / "toys")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    folder_toys.OFFERED.clear()

    here.import_history(root)
    assert kinds(here)["toys"] == "toys"
    shutil.rmtree(root / "demo" / "s")
    here.import_history(root)

    assert set(folder_toys.OFFERED) == {
        str(root / name) for name in ("", "demo", "demo/s", "demo/toys")
    }


def test_a_folder_of_too_much_is_refused_in_one_sentence_and_nothing_of_it_is_kept(
    here: LocalService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_toys(tmp_path / "toys", runs=30)
    monkeypatch.setattr(found_folder, "MAX_FILES", 20)

    report = here.import_history(path)

    assert (report.imported, reasons(report)) == (0, ["holds more than 20 files"])
    assert here.history.history() == []


def test_folders_and_names_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_toys(tmp_path / "a" / "b" / "c", runs=3)
    found = FoundFolder.at(tmp_path)
    monkeypatch.setattr(found_folder, "MAX_DEPTH", 2)
    (deepest,) = found.folders()[0].folders()
    with pytest.raises(UnfitError, match="has folders that lie more than 2 deep"):
        deepest.folders()

    monkeypatch.setattr(found_folder, "MAX_NAMES", 3)
    with pytest.raises(UnfitError, match="holds more than 3 files"):
        FoundFolder.at(tmp_path / "a" / "b" / "c").files()


def test_an_importer_that_cannot_be_imported_is_named_where_nothing_is_found(
    here: LocalService, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("Dear diary\n")

    report = here.import_history(tmp_path)

    assert any("'gone' of folder-toys 1.0 cannot be imported" in one for one in reasons(report))


def test_nothing_but_what_tuner_reads_is_asked_where_no_package_reads_folders(
    site: Path, tmp_path: Path
) -> None:
    write_toys(tmp_path / "toys")
    with uninstalled(site), service() as alone:
        report = alone.import_history(tmp_path)

    assert reasons(report) == ["holds no runs of a known kind"]
