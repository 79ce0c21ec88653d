"""Importers that packages bring: what they give is not trusted, and their faults are theirs."""

from __future__ import annotations

import importlib
import math
import pkgutil
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import tuner.history.importers
from tests.support.toy_packages import installed, write_package
from tuner.errors import SpecError
from tuner.history.importers.plugins import study as plugin_study
from tuner.history.importers.plugins.study import PluginStudy
from tuner.history.store.imported import Facts, ImportedRun, Options
from tuner.history.store.records import HistoricTrial, Rejection
from tuner.registry import IMPORTERS, KINDS
from tuner.server.routes.history import Kind
from tuner.testing import LocalService, service

CODE = """
from tuner.history.store.records import HistoricTrial
from tuner.registry import Extension

def read_toys(file):
    if not file.start.startswith(b"toys"):
        return None
    return [HistoricTrial(key="1", params={"x": 0.5}, metrics={"score": 1.0})]

def broken(file):
    raise RuntimeError("no idea")

toys = Extension(make=read_toys, says="a file of toys")
"""
ENTRIES = """
[tuner.importers]
toys = toy_importers:toys
broken = toy_importers:broken
csv = toy_importers:toys
wandb = toy_importers:toys
gone = toy_gone:make
"""
TABLE = "number,value,params_x,state\n0,0.5,0.25,COMPLETE\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("site")
    write_package(folder, "toy-importers", "1.0", {"toy_importers": CODE}, ENTRIES)
    with installed(folder):
        yield folder


@pytest.fixture(scope="module")
def here(site: Path) -> Iterator[LocalService]:
    with service() as made:
        yield made


def reasons(report: Any) -> list[str]:
    return [line.reason for line in report.refused]


def test_an_importer_that_fails_is_named_and_the_file_is_read_by_another(
    here: LocalService, tmp_path: Path
) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(TABLE)

    report = here.import_history(path)

    assert report.imported == 1
    assert report.studies[0].kind == "csv"
    assert reasons(report) == [
        "the importer 'broken' of toy-importers 1.0 failed: RuntimeError: no idea"
    ]


def test_a_packages_kind_is_that_of_the_study(here: LocalService, tmp_path: Path) -> None:
    path = tmp_path / "toys.txt"
    path.write_text("toys, of all kinds\n")

    report = here.import_history(path)

    assert [study.kind for study in report.studies] == ["toys"]
    assert "toys" in {study["kind"] for study in here.history.history()}


def test_a_file_that_nobody_knows_is_refused_with_all_kinds_and_faults(
    here: LocalService, tmp_path: Path
) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear diary\n")

    text = reasons(here.import_history(path))[-1]

    assert "a CSV file with a header" in text
    assert "a file of toys" in text
    assert "the importer 'gone' of toy-importers 1.0 cannot be imported" in text
    for taken in ("csv", "wandb"):
        assert f"the importer {taken!r} of toy-importers 1.0 is left out" in text


def test_another_release_of_the_package_reads_the_file_again(
    here: LocalService, site: Path, tmp_path: Path
) -> None:
    path = tmp_path / "again.txt"
    path.write_text("toys, of all kinds\n")
    here.import_history(path)
    assert here.import_history(path).is_unchanged
    newer = tmp_path / "site"
    shutil.copytree(site, newer)
    info = newer / "toy_importers-1.0.dist-info" / "METADATA"
    info.write_text(info.read_text().replace("1.0", "1.1"))

    with installed(newer):
        assert not here.import_history(path).is_unchanged


def study(*items: Any) -> PluginStudy:
    return PluginStudy("toys", "the importer 'toys' of toy 1", "/toys", "stamp", iter(items))


def trial(key: Any = "1", **changes: Any) -> HistoricTrial:
    facts = {"params": {"x": 0.5}, "metrics": {"score": 1.0}, **changes}
    return HistoricTrial(key=key, **facts)


def read(found: PluginStudy) -> tuple[list[ImportedRun], list[str]]:
    items = list(found.read((), Options()))
    runs = [item for item in items if isinstance(item, ImportedRun)]
    return runs, [item.reason for item in items if isinstance(item, Rejection)]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (7, "run 2: the importer 'toys' of toy 1 gives a int, not a HistoricTrial"),
        (trial(), "run 2: there was one with the same key before"),
        (trial(""), "run 2: cannot be read: ValueError: a key is a text of at least one character"),
        (trial(9), "run 2: cannot be read: ValueError: a key is a text of at least one character"),
        (trial("2", state="odd"), "run 2: cannot be read: ValueError: state 'odd': must be one of"),
        (trial("2", params=7), "run 2: cannot be read: AttributeError"),
        (trial("2", curves={"score": 7}), "run 2: cannot be read: TypeError"),
        (Rejection(path="/toys:3", reason="x" * 9999), "x" * 499 + "…"),
    ],
)
def test_what_is_no_run_is_refused_and_the_others_are_kept(item: Any, reason: str) -> None:
    runs, refused = read(study(trial("1"), item, trial("3")))

    assert [run.trial.key for run in runs] == ["1", "3"]
    assert len(refused) == 1
    assert refused[0].startswith(reason)


def test_a_run_holds_what_every_import_holds() -> None:
    params = {"x": math.nan, "y": [1], "z": 1, "long": "t" * 9999, 5: 1}
    odd = trial("k\0" + "x" * 999, params=params, metrics={"score": math.inf, "loss": 1})

    ((run,), refused) = read(study(odd))

    assert not refused
    assert len(run.trial.key) <= 200
    assert "\0" not in run.trial.key
    assert run.trial.params.keys() <= {"z", "long"}
    assert run.trial.metrics == {"loss": 1.0}


def test_an_importer_that_breaks_off_keeps_what_it_gave() -> None:
    def items() -> Iterator[HistoricTrial]:
        yield trial()
        raise OSError("the disk\nis gone")

    runs, refused = read(PluginStudy("toys", "it", "/t", "s", items()))

    assert len(runs) == 1
    assert refused == ["it failed after 1 runs: OSError: the disk is gone"]


def test_an_importer_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_study, "MAX_RUNS", 20)
    endless = (trial(str(number)) for number in iter(int, 1))
    counted = (trial(f"{number}") for number in range(10**9))

    assert len(read(PluginStudy("toys", "it", "/t", "s", counted))[0]) == 20
    runs, refused = read(PluginStudy("toys", "it", "/t", "s", endless))
    assert (len(runs), len(refused)) == (1, 20)


def test_goals_are_those_of_the_user_before_those_of_the_importer() -> None:
    found = study(Facts(metrics={"score": "maximize", "loss": "odd"}, notes=["n"] * 99), trial())
    read(found)

    facts = found.facts(Options(metrics=("score",), goals=("minimize",)))

    assert facts.metrics == {"score": "minimize", "loss": None}
    assert len(facts.notes) == 20


def test_the_kinds_of_the_table_are_those_that_the_importers_make() -> None:
    made = set()
    for info in pkgutil.walk_packages(tuner.history.importers.__path__, "tuner.history.importers."):
        for one in vars(importlib.import_module(info.name)).values():
            kind = getattr(one, "kind", None)
            if isinstance(one, type) and isinstance(kind, str):
                made.add(kind)

    assert made == set(KINDS)
    assert set(IMPORTERS.reserved) == {*KINDS, "none"} - set(IMPORTERS.built_in)


@pytest.mark.parametrize("kind", [*KINDS, "none", "toys", "of-a-package-that-is-not-here"])
def test_the_api_takes_every_kind_of_the_table_and_of_packages(
    here: LocalService, kind: str
) -> None:
    assert TypeAdapter(Kind).validate_python(kind) == kind
    assert here.history.history_begin("k-1", kind, "/toys")["number"] >= 0


@pytest.mark.parametrize("kind", ["", "Toys", "a kind", "toys\n", "x" * 33, "../toys", "1toys"])
def test_the_api_refuses_what_no_kind_is_called(here: LocalService, kind: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Kind).validate_python(kind)
    with pytest.raises(SpecError, match="must be one of study, hparams"):
        here.history.history_begin("k-1", kind, "/toys")
