"""Parts of the workers that need no server: causes, settings, channel."""

from __future__ import annotations

import errno
import os
import socket
import traceback
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import clock
from tuner.errors import SetupError
from tuner.protocol import Assignment, WorkerInfo
from workers.agent.outbox import Backoff
from workers.failures.causes import classify, describe_error, describe_exit, last_lines
from workers.host.options import load_options, load_token
from workers.objective.session import ReportedPoint
from workers.records.environment import Environment
from workers.trial.channel import Channel, ChannelError, ChannelLink


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's."""


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ValueError("x"), "error"),
        (MemoryError(), "oom"),
        (ResourceExhaustedError("OOM when allocating tensor"), "oom"),
        (OutOfMemoryError("no room for the tensor"), "oom"),
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

    assert "workers/trial/channel.py" in whole
    assert "workers/trial/channel.py" not in text
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
    before, counted = os.times().elapsed, clock()
    link.report(ReportedPoint(step=1, value=float("nan")))

    assert os.times().elapsed - before > 0.09
    assert clock() - counted < 1
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
        "XLA_FLAGS": "--x" * 1000,
        "KERAS_BACKEND": "tensorflow",
        "OMP_NUM_THREADS": "1\udc80",
        # What begins like a setting of a library need not be one.
        **dict.fromkeys(
            (
                *("TF_VAR_password", "TF_CONFIG", "TF_API_PASSPHRASE", "TF_HTTP_AUTH"),
                *("KERAS_API_KEY", "KERAS_HOME_X", "KERAS_DB_PWD", "JAX_PGPASS", "PYTORCH_AUTH"),
                *("XLA_FLAGS_PWD", "AWS_SECRET", "TUNER_TOKEN", "MY_PW"),
            ),
            "hunter2",
        ),
    }
    info = WorkerInfo(name="w", host="h", pid=1, image="team/train@sha256:0")
    config: dict[str, Any] = Environment(info, environ, {}).config(
        assignment({"spec": {"study": "s"}, "git_commit": "abc"})
    )

    assert config["environment"] == {
        "KERAS_BACKEND": "tensorflow",
        "OMP_NUM_THREADS": "1\\udc80",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "XLA_FLAGS": "--x" * 666 + "--… (3000 characters)",
    }
    assert (config["git_commit"], config["seed"], config["params"]) == ("abc", 5, {"x": 1})
    assert (config["image"], config["versions"]["python"][:2]) == ("team/train@sha256:0", "3.")
    assert "hunter2" not in str(config)


def test_config_says_of_the_image_what_the_server_has_verified() -> None:
    info = WorkerInfo(
        name="w", host="h", pid=1, image="team/train@sha256:0", lock="a" * 64, files="b" * 64
    )
    server = {
        "image": "team/train@sha256:1",
        "lock": "a" * 64,
        "files": "b" * 64,
        "image_verified": "lock",
    }

    assert image_of(info, server) == server
    # A server of an earlier release knows what the study wants.
    assert image_of(info, {"image": "team/train@sha256:1"}) == {
        "image": "team/train@sha256:0",
        "lock": "a" * 64,
        "files": "b" * 64,
        "image_verified": "stated",
    }
    nowhere = WorkerInfo(name="w", host="h", pid=1)
    assert image_of(nowhere, {"image": None})["image_verified"] is None


def image_of(info: WorkerInfo, config: dict[str, Any]) -> dict[str, Any]:
    """Return what `config.json` says of the image."""
    found = Environment(info, {}, {}).config(assignment(config))
    return {name: found[name] for name in ("image", "lock", "files", "image_verified")}


def assignment(config: dict[str, Any]) -> Assignment:
    return Assignment(
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
        config=config,
    )
