from __future__ import annotations

import gzip
import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tuner.errors import SpecError
from tuner.snapshot import fingerprint_data, make_snapshot, read_git, unpack
from tuner.snapshot.ignore import IgnoreRules

SPEC = "project: p\nstudy: s\nsearch_space: {x: {type: bool}}\n"


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_same_files_give_the_same_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    files = {"train.py": "x = 1\n", "lib/__init__.py": "", "lib/a.py": "y = 2\n"}
    one = _write(tmp_path / "one", files)
    other = _write(tmp_path / "other", dict(reversed(files.items())))
    os.utime(other / "train.py", (1, 1))
    (other / "lib" / "a.py").chmod(0o600)

    assert make_snapshot(one) == make_snapshot(other)


def test_another_content_or_name_is_another_snapshot(tmp_path: Path) -> None:
    first = make_snapshot(_write(tmp_path / "a", {"train.py": "1"}))
    content = make_snapshot(_write(tmp_path / "b", {"train.py": "2"}))
    name = make_snapshot(_write(tmp_path / "c", {"training.py": "1"}))

    assert len({first.sha256, content.sha256, name.sha256}) == 3


def test_the_archive_is_an_ordinary_tar_gz_of_any_size(tmp_path: Path) -> None:
    text = "0123456789" * 20_000
    snapshot = make_snapshot(_write(tmp_path / "in", {"train.py": text, "empty.txt": ""}))
    out = tmp_path / "out"
    out.mkdir()
    unpack(snapshot, out)

    assert (out / "train.py").read_text() == text
    with tarfile.open(fileobj=BytesIO(gzip.decompress(snapshot.data))) as archive:
        assert archive.getnames() == ["empty.txt", "train.py"]


def test_a_snapshot_is_unpacked_by_a_python_without_filters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "code", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    (folder / "objectives.py").write_text("x = 1\n")
    extract = tarfile.TarFile.extractall

    def as_in_3_11_2(archive: tarfile.TarFile, path: Path) -> None:
        extract(archive, path)

    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr(tarfile.TarFile, "extractall", as_in_3_11_2)
    unpack(make_snapshot(folder), out)

    assert (out / "objectives.py").read_text() == "x = 1\n"


def test_specs_and_leavings_are_no_code(tmp_path: Path) -> None:
    folder = _write(
        tmp_path,
        {
            "train.py": "",
            "study.yaml": SPEC,
            "study.json": '{\n "project": "p", \n "study": "s",\n "search_space": {}}',
            "config.yaml": "layers: 3\n",
            "__pycache__/train.cpython-311.pyc": "",
            ".git/HEAD": "",
            ".venv/lib/x.py": "",
            "home/token": "secret",
            ".env": "KEY=secret",
        },
    )

    snapshot = make_snapshot(folder, leave_out=[folder / "home"])

    assert snapshot.files == ("config.yaml", "train.py")


def test_a_changed_budget_is_not_changed_code(tmp_path: Path) -> None:
    folder = _write(tmp_path, {"train.py": "", "study.yaml": SPEC + "budget: {trials: 1}\n"})
    before = make_snapshot(folder)
    _write(tmp_path, {"study.yaml": SPEC + "budget: {trials: 2}\n"})

    assert make_snapshot(folder) == before


def test_the_ignore_file_is_honoured_and_takes_defaults_back(tmp_path: Path) -> None:
    folder = _write(
        tmp_path,
        {
            ".tunerignore": "# data\n*.csv\n/out/\n!keep.csv\n!.env\nlogs/**/*.txt\n",
            "train.py": "",
            "big.csv": "",
            "sub/big.csv": "",
            "keep.csv": "",
            "out/model.bin": "",
            "sub/out/a.py": "",
            "logs/a/b/c.txt": "",
            ".env": "",
        },
    )

    assert make_snapshot(folder).files == (".env", "keep.csv", "sub/out/a.py", "train.py")


@pytest.mark.parametrize(
    ("pattern", "path", "folder", "ignored"),
    [
        ("*.log", "a/b.log", False, True),
        ("*.log", "a/b.log.txt", False, False),
        ("build/", "build", True, True),
        ("build/", "build", False, False),
        ("/top.txt", "sub/top.txt", False, False),
        ("a/**/b", "a/b", False, True),
        ("a/**/b", "a/x/y/b", False, True),
        ("a/*", "a/x/y", False, False),
        ("file[0-9].py", "file7.py", False, True),
        ("file[!0-9].py", "file7.py", False, False),
        ("**/tmp", "x/tmp", True, True),
        ("data/**", "data/x/y", False, True),
        ("\\#literal", "#literal", False, True),
        ("a?c", "abc", False, True),
        ("a+b", "aab", False, False),
    ],
)
def test_patterns_mean_what_git_means(pattern: str, path: str, folder: bool, ignored: bool) -> None:
    assert IgnoreRules([pattern]).is_ignored(path, folder=folder) == ignored


def test_a_folder_that_is_too_large_is_refused_with_its_largest_files(tmp_path: Path) -> None:
    code = "open('data.bin')\n"
    folder = _write(tmp_path, {"train.py": code, "data.bin": "x" * 3_000_000})

    with pytest.raises(SpecError, match=r"(?s)3\.0 MB.*at most.*1\.0 MB.*data\.bin.*\.tunerignore"):
        make_snapshot(folder, max_bytes=1_000_000)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("")
    folder = _write(tmp_path / "code", {"train.py": ""})
    (folder / "linked.py").symlink_to(tmp_path / "outside.py")

    with pytest.raises(SpecError, match=r"linked\.py: leads out of the spec's folder"):
        make_snapshot(folder)


def test_a_link_inside_the_folder_still_leads_there(tmp_path: Path) -> None:
    folder = _write(tmp_path / "code", {"lib/a.py": "x = 1"})
    (folder / "b.py").symlink_to(folder / "lib" / "a.py")
    (folder / "broken").symlink_to(folder / "nothing")
    out = tmp_path / "out"
    out.mkdir()
    unpack(make_snapshot(folder), out)

    assert (out / "b.py").read_text() == "x = 1"
    assert not (out / "broken").is_symlink()


@pytest.mark.parametrize(
    "name", ["tuner.py", "workers.py", "workers/__init__.py", "tuner/deep/mod.py", "tuner.abi3.so"]
)
def test_a_module_that_would_hide_ours_is_refused(tmp_path: Path, name: str) -> None:
    folder = _write(tmp_path, {"train.py": "", name: ""})

    with pytest.raises(SpecError, match="would hide the installed package"):
        make_snapshot(folder)


def test_names_that_only_resemble_ours_are_fine(tmp_path: Path) -> None:
    folder = _write(tmp_path, {"my/tuner.py": "", "tuner_helpers.py": "", "workers/notes.txt": ""})

    assert len(make_snapshot(folder).files) == 3


def test_the_fingerprint_of_data_is_of_names_and_contents(tmp_path: Path) -> None:
    folder = _write(tmp_path, {"data/a.csv": "1", "data/b.csv": "2"})
    whole = fingerprint_data(folder, ["data"])
    os.utime(folder / "data" / "a.csv", (1, 1))

    assert fingerprint_data(folder, []) is None
    assert fingerprint_data(folder, ["data"]) == whole
    assert fingerprint_data(folder, ["data/a.csv"]) != whole
    (folder / "data" / "a.csv").write_text("3")
    assert fingerprint_data(folder, ["data"]) != whole


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"data\.paths: 'no\.csv': there is no such file"):
        fingerprint_data(tmp_path, ["no.csv"])


def test_a_folder_in_no_repository_has_no_git_state(tmp_path: Path) -> None:
    assert read_git(tmp_path) is None
