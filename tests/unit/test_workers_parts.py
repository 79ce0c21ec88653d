"""Parts of the workers that need no server: causes, snapshots, checkpoints, settings, channel."""

from __future__ import annotations

import errno
import hashlib
import io
import math
import os
import socket
import tarfile
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

from tests.archives import make_archive
from tuner.errors import SetupError
from tuner.protocol import Assignment, WorkerInfo
from tuner.roots import Place
from workers.channel import Channel, ChannelError, ChannelLink
from workers.checkpoints import Checkpoints
from workers.code_cache import UNUSED_S, CodeCache, CodeError
from workers.environment import Environment
from workers.failure import classify, describe_error, describe_exit, last_lines
from workers.options import load_options, load_token
from workers.outbox import Backoff
from workers.own_modules import hiding_modules
from workers.session import Point


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ValueError("x"), "error"),
        (MemoryError(), "oom"),
        (ResourceExhaustedError("OOM when allocating tensor"), "oom"),
        (OSError(errno.ENOENT, "missing"), "error"),
        (OSError(errno.ENOSPC, "full", "/elsewhere/file"), "error"),
        (KeyboardInterrupt(), "error"),
    ],
)
def test_exceptions_have_causes(tmp_path: Path, error: BaseException, cause: str) -> None:
    assert classify(error, [tmp_path]) == cause


def test_a_full_disk_is_a_storage_failure_only_under_our_roots(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    inside = OSError(errno.EDQUOT, "quota", str(tmp_path / "run/weights.h5"))
    text = OSError(
        "Unable to write: file write failed: errno = 28, error message = 'No space left on device'"
    )

    assert classify(inside, [tmp_path]) == "storage"
    # Without a file name, the root is asked whether it takes a few bytes.
    assert classify(text, [gone]) == "storage"
    assert classify(text, [tmp_path]) == "error"
    assert classify(ResourceExhaustedError("f; No space left on device"), [gone]) == "storage"


def test_a_traceback_ends_with_fifty_storable_lines_of_the_users_code() -> None:
    def deep(n: int) -> None:
        if n == 0:
            raise ValueError("line\n" * 60 + "nul \x00 surrogate \udc80")
        deep(n - 1)

    try:
        deep(3)
    except ValueError as exc:
        text = describe_error(exc)

    assert len(text.splitlines()) == 50
    assert "\x00" not in text
    assert text.encode("utf-8").decode() == text
    assert len(last_lines("x" * 100_000)) == 20_000


def test_frames_of_this_package_are_left_out_of_tracebacks() -> None:
    channel = Channel(socket.socketpair()[0])
    try:
        channel.send({"x": object()})
    except TypeError as exc:
        text, whole = describe_error(exc), "".join(traceback.format_exception(exc))

    assert "workers/channel.py" in whole
    assert "workers/channel.py" not in text
    assert "test_workers_parts.py" in text


def test_an_exit_is_described_in_words() -> None:
    assert describe_exit(-11) == "the trial's process died of SIGSEGV"
    assert describe_exit(1) == "the trial's process exited with status 1 without a result"


def test_settings_come_from_the_environment_or_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    environ = {
        "TUNER_API_URL": "http://127.0.0.1:1",
        "TUNER_TOKEN_FILE": str(tmp_path / "token"),
        "TUNER_HOME": str(tmp_path),
    }
    options = load_options(environ)

    assert (options.log_root, options.checkpoint_root) == (
        tmp_path / "logs",
        tmp_path / "checkpoints",
    )
    assert load_token(environ) == "secret"
    assert "secret" not in repr(options)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"TUNER_TOKEN_FILE": "/nowhere"}, "TUNER_TOKEN_FILE=/nowhere: cannot be read"),
        ({"TUNER_TOKEN": "a", "TUNER_TOKEN_FILE": "b"}, "are both set; keep one"),
        ({}, "TUNER_TOKEN is not set"),
    ],
)
def test_a_bad_token_setting_is_named(change: dict[str, str], text: str) -> None:
    with pytest.raises(SetupError, match=text):
        load_token(change)


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


@pytest.mark.parametrize("name", ["../x", "0" * 63, "G" * 64])
def test_a_hash_that_is_none_is_never_a_path(tmp_path: Path, name: str) -> None:
    cache, _, fetched = open_cache(tmp_path, b"")

    with pytest.raises(CodeError, match="not a SHA-256"):
        cache.folder(name)
    assert fetched == []


class Model:
    """Has weights that can be written, and may fail while it writes them."""

    def __init__(self, error: OSError | None = None) -> None:
        self.error = error

    def save_weights(self, path: Path) -> None:
        path.write_text("half")
        if self.error is not None:
            raise self.error
        path.write_text("whole")


def points(last: int) -> list[Point]:
    """The curve of a training of `last` epochs; one of its metrics is no number at first."""
    return [
        Point(step=n, value=n / 8, metrics={"loss": math.nan if n == 1 else 1.0})
        for n in range(1, last + 1)
    ]


def write(checkpoints: Checkpoints, *steps: int) -> None:
    for step in steps:
        checkpoints.write(Model(), step, points(step))


def test_the_newest_two_checkpoints_are_kept_with_their_curves(tmp_path: Path) -> None:
    checkpoints = Checkpoints(Place(tmp_path, "trial"), 1)
    write(checkpoints, 1, 2, 10)

    assert [found.step for found in checkpoints.find()] == [2, 10]
    assert sorted(path.name for path in (tmp_path / "trial").iterdir()) == [
        "epoch-00002.curve.json",
        "epoch-00002.weights.h5",
        "epoch-00010.curve.json",
        "epoch-00010.weights.h5",
    ]


def test_a_checkpoint_that_failed_is_not_there(tmp_path: Path) -> None:
    checkpoints = Checkpoints(Place(tmp_path), 1)
    write(checkpoints, 1)
    with pytest.raises(OSError, match="full"):
        checkpoints.write(Model(OSError(errno.ENOSPC, "full")), 2, points(2))

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["epoch-00001.curve.json", "epoch-00001.weights.h5"]


def test_a_successor_continues_from_the_newest_checkpoint_of_an_earlier_attempt(
    tmp_path: Path,
) -> None:
    first, second = Checkpoints(Place(tmp_path), 1), Checkpoints(Place(tmp_path), 2)
    write(first, 4, 8)

    assert first.newest(known=8) is None, "an attempt does not continue itself"
    found = second.newest(known=8)
    assert found is not None
    assert (found[0].step, found[1]) == (8, [])


def test_a_checkpoint_brings_the_points_that_the_service_does_not_know(tmp_path: Path) -> None:
    first, second = Checkpoints(Place(tmp_path), 1), Checkpoints(Place(tmp_path), 2)
    write(first, 4, 8)

    for known in (0, 5, 7):
        found = second.newest(known=known)
        assert found is not None
        assert found[0].step == 8
        assert [point.step for point in found[1]] == list(range(known + 1, 9))
    assert found[1][0] == Point(step=8, value=1.0, metrics={"loss": 1.0})


@pytest.mark.parametrize("damage", ["", "[[1, 0.5]]", "[]", "{}", '[[5, "x", {}]]', "null"])
def test_a_checkpoint_that_would_leave_a_hole_in_the_curve_is_not_continued(
    tmp_path: Path, damage: str
) -> None:
    first, second = Checkpoints(Place(tmp_path), 1), Checkpoints(Place(tmp_path), 2)
    write(first, 4, 8)
    (tmp_path / "epoch-00008.curve.json").write_text(damage)

    covered, older = second.newest(known=8), second.newest(known=2)
    assert covered is not None
    assert covered[0].step == 8
    assert older is not None
    assert (older[0].step, [point.step for point in older[1]]) == (4, [3, 4])


def test_attempts_do_not_delete_each_others_newest_checkpoints(tmp_path: Path) -> None:
    zombie, successor = Checkpoints(Place(tmp_path), 1), Checkpoints(Place(tmp_path), 2)
    write(zombie, 5)
    write(successor, 6, 7)
    (tmp_path / "epoch-00004.curve.json").write_text("[]")
    write(zombie, 8, 9, 10)

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        f"epoch-{name}.{kind}"
        for name in ("00006-a2", "00007-a2", "00009", "00010")
        for kind in ("curve.json", "weights.h5")
    ]


def test_a_channel_puts_split_messages_together() -> None:
    left, right = socket.socketpair()
    channel = Channel(right)
    left.sendall(b'{"a": 1}\n{"b"')
    assert channel.receive() == [{"a": 1}]
    left.sendall(b": 2}\n")

    assert channel.receive() == [{"b": 2}]
    left.close()
    assert channel.receive() == []
    assert channel.closed


@pytest.mark.parametrize("data", [b"garbage\n", b"[1]\n", b"\xff\xfe\n"])
def test_what_is_no_message_is_said(data: bytes) -> None:
    left, right = socket.socketpair()
    left.sendall(data)

    with pytest.raises(ChannelError, match="not a message"):
        Channel(right).receive()


def test_a_report_does_not_wait_long_for_a_silent_parent() -> None:
    left, right = socket.socketpair()
    link = ChannelLink(Channel(right))
    before = os.times().elapsed
    link.report(Point(step=1, value=float("nan")))

    assert 0.09 < os.times().elapsed - before < 1
    assert link.word() == "continue"
    parent = Channel(left)
    (message,) = parent.receive()
    assert (message["step"], str(message["value"])) == (1, "nan")
    parent.send({"word": "prune", "step": 1})
    parent.send({"word": "cancel", "step": 1})
    assert link.word() == "prune", "the first stop stands"


def test_waits_grow_up_to_a_limit() -> None:
    backoff = Backoff(0.1, 0.5)

    assert [round(backoff.next_s(), 2) for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    backoff.reset()
    assert backoff.next_s() == 0.1


def test_a_server_that_comes_back_within_half_a_minute_is_asked_within_a_second() -> None:
    backoff = Backoff()
    waited_s, longest_s = 0.0, 0.0
    while waited_s < 28:
        longest_s = max(longest_s, wait_s := backoff.next_s())
        waited_s += wait_s

    assert longest_s == 1.0
    assert max(backoff.next_s() for _ in range(10)) == 5.0


def test_config_holds_what_repeats_a_trial_and_no_secret() -> None:
    environ = {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "XLA_FLAGS": "--x",
        "KERAS_BACKEND": "tensorflow",
        "TF_VAR_password": "hunter2",
        "KERAS_API_KEY": "hunter2",
        "AWS_SECRET": "hunter2",
        "TUNER_TOKEN": "hunter2",
    }
    info = WorkerInfo(name="w", host="h", pid=1, image="team/train@sha256:0")
    config: dict[str, Any] = Environment(info, environ).config(
        Assignment(
            attempt="a",
            study="p/s",
            trial=1,
            attempt_no=1,
            params={"x": 1},
            seed=5,
            objective="m:f",
            metrics=[],
            run_dir="r",
            checkpoint_dir="c",
            config={"spec": {"study": "s"}, "git_commit": "abc"},
        )
    )

    assert config["environment"] == {
        "KERAS_BACKEND": "tensorflow",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "XLA_FLAGS": "--x",
    }
    assert (config["git_commit"], config["seed"], config["params"]) == ("abc", 5, {"x": 1})
    assert (config["image"], config["versions"]["python"][:2]) == ("team/train@sha256:0", "3.")
    assert "hunter2" not in str(config)
