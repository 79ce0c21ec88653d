"""The snapshots of code that workers fetch, unpack and keep."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from tests.support.archives import make_archive
from workers.agent.code_cache import UNUSED_S, CodeCache, CodeError, FetchError
from workers.objective.own_modules import hiding_modules


def open_cache(root: Path, archive: bytes) -> tuple[CodeCache, str, list[str]]:
    fetched: list[str] = []

    def fetch(sha256: str) -> bytes:
        fetched.append(sha256)
        return archive

    return CodeCache(root, fetch), hashlib.sha256(archive).hexdigest(), fetched


@pytest.mark.parametrize("has_filters", [True, False])
def test_a_snapshot_is_fetched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_filters: bool
) -> None:
    if not has_filters:  # as the Python 3.11.2 of Debian 12
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    cache, sha256, fetched = open_cache(tmp_path / "code", make_archive({"a": "1", "b/c": "2"}))
    folder = cache.folder(sha256)

    assert cache.folder(sha256) == folder
    assert (folder / "b" / "c").read_text() == "2"
    assert fetched == [sha256]
    assert [path.name for path in (tmp_path / "code").iterdir()] == [sha256]


def test_code_that_no_trial_has_used_for_a_month_is_removed(tmp_path: Path) -> None:
    now = time.time()
    root = tmp_path / "code"
    folders: list[Path] = []
    for text in ("old", "kept", "new"):
        cache, sha256, _ = open_cache(root, make_archive({"a": text}))
        folders.append(cache.folder(sha256))
    broken, foreign = root / ".0123456789ab-x", root / "notes"
    for folder in (broken, foreign):
        folder.mkdir()
    for folder in (*folders, broken, foreign):
        os.utime(folder, (now - UNUSED_S - 1,) * 2)
    os.utime(folders[2], (now - UNUSED_S + 1,) * 2)
    cache.keep(folders[1].name)

    assert sorted(cache.clear(now)) == sorted([folders[0].name, broken.name])
    assert sorted(root.iterdir()) == sorted([folders[1], folders[2], foreign])
    cache, sha256, fetched = open_cache(root, make_archive({"a": "old"}))
    assert cache.folder(sha256) == folders[0]
    assert len(fetched) == 1, "it is fetched again when it is needed"


def test_a_module_that_hides_an_installed_one_is_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for place in ("lib/site-packages/installed", "lib/site-packages/other", "project/mine"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "lib/site-packages"))
    monkeypatch.syspath_prepend(str(tmp_path / "project"))
    files = {"installed.py": "", "mine/__init__.py": "", "own.py": "", "statistics.py": ""}
    cache, sha256, _ = open_cache(tmp_path / "code", make_archive(files))
    for _ in range(2):
        cache.folder(sha256)

    (record,) = [r for r in caplog.records if r.message == "module hidden"]
    said = vars(record)["reason"]
    assert said.startswith("module 'installed' of the study's folder hides the installed one (")
    assert hiding_modules(tmp_path / "code" / sha256) == [said]


def test_long_headers_of_a_snapshot_are_not_read(tmp_path: Path) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "1" * 30_000_000}
        archive.addfile(info, io.BytesIO())
    cache, sha256, _ = open_cache(tmp_path / "code", target.getvalue())

    with pytest.raises(CodeError, match="at most 65536 bytes of one"):
        cache.folder(sha256)


@pytest.mark.parametrize("name", ["../../evil", "a/../../evil"])
@pytest.mark.parametrize("has_filters", [True, False])
def test_a_snapshot_cannot_leave_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, has_filters: bool
) -> None:
    if not has_filters:  # as the Python 3.11.2 of Debian 12
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    cache, sha256, _ = open_cache(tmp_path / "code", target.getvalue())

    with pytest.raises(CodeError, match="cannot be unpacked"):
        cache.folder(sha256)
    assert list((tmp_path / "code").iterdir()) == []


@pytest.mark.parametrize(
    ("archive", "text"),
    [
        (make_archive({"tuner/x": "1"}), "module called 'tuner'"),
        (make_archive({"workers.py": "1"}), "module called 'workers.py'"),
        (b"no archive", "cannot be unpacked"),
    ],
    ids=["named tuner", "named workers", "no archive"],
)
def test_a_snapshot_that_must_not_run_is_refused(tmp_path: Path, archive: bytes, text: str) -> None:
    cache, sha256, _ = open_cache(tmp_path, archive)

    with pytest.raises(CodeError, match=text):
        cache.folder(sha256)


def test_other_bytes_than_those_of_the_hash_are_not_run(tmp_path: Path) -> None:
    cache, _, _ = open_cache(tmp_path / "code", make_archive({"a": "1"}))

    with pytest.raises(FetchError, match="the server sent other bytes"):
        cache.folder("0" * 64)
    assert not (tmp_path / "code").exists()


@pytest.mark.parametrize("name", ["../x", "0" * 63, "G" * 64])
def test_a_hash_that_is_none_is_never_a_path(tmp_path: Path, name: str) -> None:
    cache, _, fetched = open_cache(tmp_path, b"")

    with pytest.raises(CodeError, match="not a SHA-256"):
        cache.folder(name)
    assert fetched == []
