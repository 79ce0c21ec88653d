"""Every broken spec gives exactly the lines that stand in the comment at its top."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tuner.errors import SpecError
from tuner.spec import load_spec

FOLDER = Path(__file__).parent / "broken_specs"
BROKEN = sorted(path.name for path in FOLDER.glob("*.yaml"))


def expected_lines(name: str) -> list[str]:
    found: list[str] = []
    for line in (FOLDER / name).read_text().splitlines():
        if not line.startswith("# "):
            break
        found.append(line.removeprefix("# "))
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_spec_gives_its_message(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(FOLDER)

    with pytest.raises(SpecError) as caught:
        load_spec(Path(name))

    assert str(caught.value).splitlines() == expected_lines(name)


@pytest.mark.parametrize("name", BROKEN)
def test_every_message_says_where(name: str):
    for line in expected_lines(name):
        assert re.match(r"[a-z0-9_/]+\.yaml:\d+:\d+: \S", line)


def test_the_corpus_is_large():
    assert len(BROKEN) >= 45


def test_messages_name_the_path_as_it_was_given():
    path = FOLDER / "budget_zero.yaml"

    with pytest.raises(SpecError) as caught:
        load_spec(path)

    assert str(caught.value).startswith(f"{path}:9:18: budget.trials: 0: ")
    assert os.linesep not in str(caught.value)
