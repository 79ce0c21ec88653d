"""What the archive of a study's code may hold, at the server's door and in the worker's hands."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.api_app import TOKEN, Sent
from tests.support.archives import make_archive
from tuner import archives
from tuner.archives import ArchiveError, check_archive
from tuner.snapshot import make_snapshot, read_contents
from workers.agent.code_cache import CodeCache, CodeError

MB = 1_000_000


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def archive(*members: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=form) as file:
        for info in members:
            file.addfile(info)
    return target.getvalue()


def header(kind: bytes, size: int, *, name: str = "x") -> bytes:
    """Return a block that announces so much, of which nothing need follow."""
    info = member(name, kind)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def zipped(*blocks: bytes) -> bytes:
    return gzip.compress(b"".join(blocks) + bytes(1024))


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def pax(kind: bytes, records: bytes, times: int = 1) -> bytes:
    block = header(kind, len(records)) + padded(records)
    return zipped(*[block + header(tarfile.REGTYPE, 0, name=f"f{i}") for i in range(times)])


LINK = tarfile.SYMTYPE
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "is not an archive"),
    "no gzip": (lambda: b"no archive at all", "is not an archive"),
    "no tar": (lambda: gzip.compress(b"no archive" * 1000), "is not an archive"),
    "cut off": (lambda: make_archive({"a.py": "x = 1\n" * 9000})[:80], "is not an archive"),
    "500 MB of a header": (
        lambda: zipped(header(tarfile.XHDTYPE, 500 * MB), bytes(MB)),
        "tells of its files is too long",
    ),
    "a header for all files": (lambda: pax(tarfile.XGLTYPE, b"5 a=\n" * 2000), "too long"),
    "a long name of 1 MB": (lambda: zipped(header(tarfile.GNUTYPE_LONGNAME, MB)), "too long"),
    "many long headers": (
        lambda: pax(tarfile.XHDTYPE, b"11 a=bbbbb\n" * 5000, times=30),
        "too long",
    ),
    "3 TB in 200 bytes": (lambda: zipped(header(tarfile.REGTYPE, 3_000_000 * MB)), "bytes"),
    "zeros": (lambda: zipped(header(tarfile.REGTYPE, 60 * MB), bytes(60 * MB)), "unpacks to"),
    "sparse": (lambda: zipped(header(tarfile.GNUTYPE_SPARSE, 10)), "bytes"),
    "a name of 300 letters": (lambda: archive(member("n" * 300)), "at most 255 bytes a name"),
    "a path of 3000 bytes": (lambda: archive(member("/".join(["n" * 99] * 30))), "2048 a path"),
    "a deep path": (lambda: archive(member("/".join("d" * 70))), "64 names"),
    "no name": (lambda: archive(member("")), "needs a name"),
    "a file called .": (lambda: archive(member(".")), "needs a name"),
    "twice": (lambda: archive(member("a"), member("b"), member("./a")), "is there twice"),
    "a file, then its folder": (lambda: archive(member("a"), member("a/b")), "one name"),
    "a folder, then its file": (lambda: archive(member("a/b"), member("a")), "one name"),
    "through a link": (
        lambda: archive(member("d", tarfile.DIRTYPE), member("l", LINK, "d"), member("l/x")),
        "one name",
    ),
    "a way out": (lambda: archive(member("../out")), "lies outside"),
    "a way out by a link": (lambda: archive(member("d/l", LINK, "../../out")), "lies outside"),
    "a link to the root": (lambda: archive(member("l", LINK, "/etc/passwd")), "lies outside"),
    "a hard link out": (lambda: archive(member("l", tarfile.LNKTYPE, "../x")), "lies outside"),
    "a device": (lambda: archive(member("null", tarfile.CHRTYPE)), "is not a file, folder or link"),
    "a FIFO": (lambda: archive(member("pipe", tarfile.FIFOTYPE)), "is not a file, folder or link"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_unpacked_everywhere_is_refused_before_it_is(
    name: str, tmp_path: Path
) -> None:
    make, text = REFUSED[name]
    data = make()
    digest = hashlib.sha256(data).hexdigest()
    headers = [("authorization", f"Bearer {TOKEN}"), ("content-length", str(len(data)))]
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match=text):
            check_archive(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 5 * MB + 2 * len(data)
    sent = Sent("PUT", f"/v1/code/{digest}", *headers, body=[data])
    assert sent.status == 422
    assert text.split("(")[0] in sent.content.decode()
    with pytest.raises(CodeError, match=text):
        CodeCache(tmp_path, lambda _: data).folder(digest)
    assert not any(tmp_path.rglob("*")), "nothing was unpacked"
    assert read_contents(data) is None


def test_more_files_than_there_may_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 10)
    check_archive(archive(*[member(str(i)) for i in range(10)]))

    with pytest.raises(ArchiveError, match="more than 10 files"):
        check_archive(archive(*[member(str(i)) for i in range(11)]))


TAKEN: dict[str, tuple[tarfile.TarInfo, ...]] = {
    "the folder itself": (member(".", tarfile.DIRTYPE), member("./a")),
    "a folder named twice": (member("d", tarfile.DIRTYPE), member("d/a"), member("d", b"5")),
    "links inside": (member("d/a"), member("l", LINK, "d/a"), member("d/m", LINK, "../l")),
    "a long name": (member("d/" * 40 + "n" * 250),),
    "names of all languages": (member("données/模型.py"), member("n" * 85 + "é" * 80)),
}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("name", TAKEN)
def test_what_tar_makes_of_a_folder_is_taken_and_unpacked(
    name: str, form: int, tmp_path: Path
) -> None:
    data = archive(*TAKEN[name], form=form)
    check_archive(data)
    digest = hashlib.sha256(data).hexdigest()

    folder = CodeCache(tmp_path, lambda _: data).folder(digest)

    assert all((folder / info.name).exists() for info in TAKEN[name])


def test_a_comment_for_all_files_as_git_writes_it_is_taken() -> None:
    target = io.BytesIO()
    comment = {"comment": "a" * 40}
    with tarfile.open(fileobj=target, mode="w:gz", pax_headers=comment) as file:
        file.addfile(member("a"))

    check_archive(target.getvalue())


def test_what_tuner_submit_makes_is_taken(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    for number in range(50):
        (tmp_path / "package" / f"module_{number}.py").write_text(f"x = {number}\n" * 100)
    (tmp_path / "link.py").symlink_to("package/module_0.py")

    check_archive(make_snapshot(tmp_path).data)
    check_archive(make_snapshot(tmp_path / "package").data)
