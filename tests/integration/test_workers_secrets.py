"""Where a trial could find what opens the service, and does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.workers_peer import TOKEN, Peer
from tests.integration.workers_process import Started

#: Starts a program without the right to look into the processes of others, which root has.
WITHOUT_PTRACE = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(24, 19, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
Look = Callable[..., list[str]]


@pytest.fixture
def look(peer: Peer, tmp_path: Path) -> Iterator[Look]:
    """Has a trial look for the token; returns where it found it."""
    started: list[Started] = []

    def look(*arguments: str, environ: dict[str, str] | None = None, **params: Any) -> list[str]:
        params = {"backwards": TOKEN[::-1], "top": os.getpid(), **params}
        peer.offer("secrets_trials:look", params=params)
        worker = Started(
            [*arguments, "--preimport=none"],
            tmp_path / "home",
            peer,
            wrapper=["-c", WITHOUT_PTRACE],
            **(environ or {}),
        )
        started.append(worker)
        finish = peer.wait_finish("s1-t0-a1", 60)
        assert finish["outcome"] == "complete", finish["error"]
        found: list[str] = json.loads((worker.run_dir() / "found.json").read_text())
        return found

    yield look
    for process in started:
        process.terminate()
        process.wait()
        process.close()


def fleet(tmp_path: Path) -> list[str]:
    return ["fleet", "--count=1", f"--control={tmp_path / 'control.json'}", "--gpus=none"]


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
@pytest.mark.parametrize("by", ["value", "file"])
def test_a_trial_finds_the_token_in_no_environment_memory_or_open_file(
    look: Look, tmp_path: Path, isolation: str, by: str
) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    by_file = {"TUNER_TOKEN": "", "TUNER_TOKEN_FILE": str(path)}
    environ = by_file if by == "file" else {}

    assert look(*fleet(tmp_path), f"--isolation={isolation}", environ=environ) == []


def test_what_is_there_would_be_found(look: Look) -> None:
    found = look("run", "--name=w1", "--isolation=fork", plant=True)

    assert "memory of self" in found


def test_a_trial_cannot_touch_what_the_next_one_is_forked_from(peer: Peer, tmp_path: Path) -> None:
    peer.offer("secrets_trials:tamper")
    worker = Started(
        ["run", "--name=w1", "--preimport=none"],
        tmp_path / "home",
        peer,
        wrapper=["-c", WITHOUT_PTRACE],
    )
    try:
        finish = peer.wait_finish("s1-t0-a1", 60)
        assert finish["values"] == [1.0], "the fork server is there"
        assert json.loads((worker.run_dir() / "found.json").read_text()) == ["closed"]
    finally:
        worker.close()


def test_a_trial_is_told_neither_the_home_nor_any_address(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A setting of these tests, which CI makes.
    monkeypatch.delenv("TUNER_REQUIRE_ALL", raising=False)
    peer.offer("workers_trials:environment")
    worker = Started(
        ["run", "--name=w1", "--preimport=none"],
        tmp_path / "home",
        peer,
        TUNER_DATABASE_URL="postgresql://u:canary@h/d",
        TUNER_REDIS_URL="redis://:canary@h",
        TUNER_IMAGE="team/train",
    )
    peer.wait_finish("s1-t0-a1")
    output = (worker.run_dir() / "output.log").read_text()
    worker.close()

    assert "{'TUNER_LOG_FORMAT': 'json', 'TUNER_IMAGE': 'team/train'}" in output
    environ = output.partition("ENVIRON")[2]
    assert not [text for text in ("canary", "TUNER_HOME", TOKEN, peer.url) if text in environ]


def test_a_command_keeps_its_own_secrets_and_starts_others_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from tuner.security.secrecy import keep_secrets\n"
        "keep_secrets(os.environ)\n"
        "print('canary-7' in Path('/proc/self/environ').read_text())\n"
        "print(os.environ['TUNER_TOKEN'])\n"
        "subprocess.run([sys.executable, '-c', 'import os; print(os.environ[\"TUNER_TOKEN\"])'])\n"
    )
    monkeypatch.setenv("TUNER_TOKEN", "canary-7")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert sorted(done.stdout.split()) == ["False", "canary-7", "canary-7"]
