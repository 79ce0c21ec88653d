"""Commands in place of an objective: texts, what they print, their event files, their ends."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.protocol import COMMAND_WORDS, fill_places, places
from tuner.roots import Place
from tuner.tfevents import RunWriter
from workers.command.ends import explain_status
from workers.command.errors import CommandError
from workers.command.event_files import MOST_DEEP, last_scalars, names_before
from workers.command.filling import fill_command
from workers.command.lines import MAX_LINE_BYTES, STEP, Lines, Said, read_line
from workers.command.workplace import find_program, workplace

PARAMS = {
    "train.learning_rate": 1e-05,
    "train.batch_size": 64,
    "model.batch_norm": True,
    "train.optimizer": "adam w",
    "seed": "a parameter",
}
WORDS = {word: f"<{word}>" for word in COMMAND_WORDS}


def fill(*command: str) -> list[str]:
    return fill_command(command, PARAMS, WORDS)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{train.learning_rate}", "1e-05"),
        ("--lr={train.learning_rate}", "--lr=1e-05"),
        ("{train.batch_size}x{train.batch_size}", "64x64"),
        ("{model.batch_norm}", "true"),
        ("{train.optimizer}", "adam w"),
        ("{trial}", "<trial>"),
        ("{seed}", "a parameter"),
        ("{{train.batch_size}}", "{train.batch_size}"),
        ('{{"lr": 1}}', '{"lr": 1}'),
        ("{}", "{}"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("$HOME; rm *", "$HOME; rm *"),
    ],
)
def test_a_text_gets_its_values(text: str, filled: str) -> None:
    assert fill("train", text) == ["train", filled]


def test_a_parameter_that_the_trial_has_not_takes_its_option_with_it() -> None:
    assert fill("train", "--momentum", "{train.momentum}", "--size", "{train.batch_size}") == [
        *("train", "--size", "64")
    ]
    assert fill("train", "--momentum={train.momentum}", "x") == ["train", "x"]
    # What stands before is no option that waits for this value.
    assert fill("train", "--fast=1", "{train.momentum}") == ["train", "--fast=1"]
    assert fill("train", "data", "{train.momentum}") == ["train", "data"]
    assert fill("train", "--x", "at {train.momentum}") == ["train", "--x"]
    with pytest.raises(CommandError, match="all of its texts"):
        fill("{train.momentum}")


def test_python_is_the_workers_own() -> None:
    assert fill("python", "train.py") == [sys.executable, "train.py"]
    assert fill("sh", "python") == ["sh", "python"]


def test_no_argument_holds_a_nul() -> None:
    with pytest.raises(CommandError, match="the value of x holds a NUL"):
        fill_command(["train", "{x}"], {"x": "a\0b"}, WORDS)


@given(st.text(max_size=40))
def test_every_text_can_be_said_in_a_command(text: str) -> None:
    escaped = text.replace("{", "").replace("}", "")

    assert list(places(escaped)) == []
    assert fill_places(escaped, str.upper) == escaped
    assert fill_places(f"{{{{{escaped}}}}}", str.upper) == f"{{{escaped}}}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"acc": 0.5}', Said(numbers={"acc": 0.5}, step=None)),
        (
            b'  {"acc": 1, "loss": 2, "note": "x", "ok": true}\r',
            Said(numbers={"acc": 1.0, "loss": 2.0}, step=None),
        ),
        (b'{"step": 3, "acc": 0.5}', Said(numbers={"acc": 0.5}, step=3)),
        (b'{"acc": Infinity}', Said(numbers={"acc": float("inf")}, step=None)),
        (b'{"loss": 0.5}', None),
        (b'[{"acc": 0.5}]', None),
        (b'{"acc": 0.5', None),
        (b"acc: 0.5", None),
        (b"{" + b"[" * 100_000 + b"}", None),
        (b"\xff\xfe{}", None),
        (b"", None),
    ],
)
def test_a_line_with_the_metric_in_it_counts(line: bytes, said: Said | None) -> None:
    assert read_line(line, "acc") == said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"acc": null}', "printed 'acc' as None: it must be a number"),
        (b'{"acc": "0.5"}', "printed 'acc' as '0.5' .str.: it must be a number"),
        (b'{"acc": 1, "step": 0}', "step must be a whole number from 1, not 0"),
        (b'{"acc": 1, "step": 1.5}', "step must be a whole number from 1, not 1.5"),
        (b'{"acc": 1, "step": 1e99}', "step must be a whole number"),
        (b'{"acc": 1, "step": 20000000}', "from 1 to 10000000"),
    ],
)
def test_a_line_that_cannot_be_meant_says_what_is_wrong_with_it(line: bytes, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        read_line(line, "acc")


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_output_is_cut_into_lines_however_it_comes(pieces: list[bytes]) -> None:
    lines = Lines()
    found = [line for piece in pieces for line in lines.take(piece)]
    found += lines.end()

    assert b"\n".join(found) == b"".join(pieces).removesuffix(b"\n")


def test_a_line_without_end_takes_no_memory() -> None:
    lines = Lines()
    for _ in range(5):
        assert list(lines.take(b"x" * (MAX_LINE_BYTES // 2))) == []
        assert len(lines._rest) <= MAX_LINE_BYTES

    assert list(lines.take(b'\n{"acc": 1}\n')) == [b'{"acc": 1}']


def write_events(place: Place, *points: tuple[int, dict[str, float]]) -> None:
    writer = RunWriter(place)
    writer.start({}, "g", 1.0)
    for number, (step, values) in enumerate(points):
        writer.scalars(step, values, 2.0 + number)
    writer.close()


def test_the_last_value_of_a_commands_event_files_counts_and_the_workers_own_does_not(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, "run")
    write_events(place, (9, {"acc": 0.9}))
    before = names_before(place)
    assert last_scalars(place, before) == {}

    write_events(place, (1, {"acc": 0.7, "loss": 3.0}), (3, {"acc": 0.5}), (2, {"acc": 0.6}))
    write_events(place.below("validation"), (2, {"val_acc": 0.4}), (2, {"val_acc": 0.45}))
    deep = "/".join("a" * (MOST_DEEP + 1))
    write_events(place.below(deep), (1, {"deep": 1.0}))
    (tmp_path / "run" / "link").symlink_to(tmp_path)

    found = last_scalars(place, before)

    assert found == pytest.approx({"acc": 0.5, "loss": 3.0, "val_acc": 0.45})


@pytest.mark.parametrize(
    ("status", "tail", "of_memory", "cause", "words"),
    [
        (
            3,
            "Traceback\nValueError: no",
            False,
            "error",
            "ValueError: no\nthe command exited with status 3",
        ),
        (-signal.SIGSEGV, "", False, "error", "the command died of SIGSEGV"),
        (
            -signal.SIGKILL,
            "x",
            True,
            "oom",
            "the command died of SIGKILL: the kernel killed it for memory",
        ),
        (137, "x", True, "oom", "status 137: the kernel killed it for memory"),
        (-signal.SIGKILL, "x", False, "lost", "the command died of SIGKILL"),
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried", False, "oom", "status 1"),
        (1, "MemoryError", False, "oom", "status 1"),
        (1, "RuntimeError: No CUDA GPUs are available", False, "rejected", "status 1"),
        (1, "OSError: [Errno 28] No space left on device", False, "error", "status 1"),
    ],
)
def test_the_end_of_a_command_has_a_cause(
    tmp_path: Path, status: int, tail: str, of_memory: bool, cause: str, words: str
) -> None:
    error = explain_status(status, tail, folder=tmp_path, of_memory=of_memory, roots=[tmp_path])

    assert error.cause == cause
    assert str(error).endswith(words) or words in str(error)


def test_a_full_root_is_why_a_command_found_no_space(tmp_path: Path) -> None:
    error = explain_status(
        1,
        "No space left on device",
        folder=tmp_path,
        of_memory=False,
        roots=[tmp_path / "not-there"],
    )

    assert error.cause == "storage"


@pytest.mark.parametrize(
    ("last", "advice"),
    [
        ("ModuleNotFoundError: No module named 'nobody.has'", r"with: .*pip install nobody$"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'data/a.csv'",
            r"status 1: data/a.csv is not in the snapshot of the code: .* !data/a.csv in",
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/data/a.csv'", r"status 1$"),
    ],
)
def test_what_a_script_did_not_find_is_said_with_what_to_do(
    tmp_path: Path, last: str, advice: str
) -> None:
    tail = f'  File "{tmp_path}/train.py", line 3, in <module>\n{last}'

    text = str(explain_status(1, tail, folder=tmp_path, of_memory=False, roots=[tmp_path]))

    assert text.startswith('File "train.py", line 3')
    assert re.search(advice, text)


def test_a_command_writes_into_a_copy_of_its_own(tmp_path: Path) -> None:
    code = tmp_path / ("ab" * 32)
    (code / "pkg").mkdir(parents=True)
    (code / "pkg" / "a.py").write_text("x")

    with workplace(str(code)) as folder:
        assert (folder / "pkg" / "a.py").read_text() == "x"
        (folder / "pkg" / "a.py").write_text("changed")
        (folder / "model.pt").write_text("w")

    assert (code / "pkg" / "a.py").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == [code.name]


def test_a_program_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "train.sh").write_text("#!/bin/sh\n")
    found: dict[str, str] = {}
    for program in ("nobody-has-this", "train.sh", "./train.sh", "./other.sh"):
        with pytest.raises(CommandError) as caught:
            find_program(program, tmp_path, os.environ["PATH"])
        found[program] = str(caught.value)

    assert found == {
        "nobody-has-this": "command: there is no program 'nobody-has-this' on the worker's PATH",
        "train.sh": "command: there is no program 'train.sh' on the worker's PATH; train.sh is a "
        "file of the code: write ./train.sh, or its interpreter",
        "./train.sh": "command: './train.sh' may not be executed; name its interpreter before it, "
        "as [sh, ./train.sh]",
        "./other.sh": "command: there is no program './other.sh' in the study's folder",
    }


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=5)),
        max_size=5,
    )
)
def test_whatever_a_command_prints_is_read_or_refused_in_words(document: dict[str, Any]) -> None:
    line = json.dumps({"acc": 0.5, **document}).encode()
    words = ""
    said = None
    try:
        said = read_line(line, "acc")
    except CommandError as exc:
        words = str(exc)

    assert words.startswith("the command printed") or (
        said is not None and STEP not in said.numbers
    )
