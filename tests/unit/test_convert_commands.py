"""Commands of other tools become commands of a spec: the same texts, or a word of what was lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.converted import lost, spec_of
from tuner.convert import Converted, convert
from tuner.convert.readers.commands import literal
from tuner.protocol import fill_places
from workers.command.filling import fill_command


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Converted]:
    def write(text: str) -> Converted:
        path = tmp_path / "file.yaml"
        path.write_text(text)
        return convert(str(path))

    return write


SCRIPT = 'set -e\npython train.py --lr=0.1 \\\n\t--note="ä  b" \u2028 {x}\r\n'


def test_a_script_of_several_lines_is_the_same_text_in_the_spec(tmp_path: Path) -> None:
    sweep = {"method": "random", "parameters": {"y": {"value": 1}}, "command": ["sh", "-c", SCRIPT]}
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps(sweep))

    command = spec_of(convert(str(path))).command

    assert command[:2] == ("sh", "-c")
    assert fill_places(command[2], str) == SCRIPT


def test_a_command_that_no_spec_can_hold_is_left_to_the_user(tmp_path: Path) -> None:
    path = tmp_path / "sweep.json"
    for text in ("a\0b", "\ud800", "x" * 5000):
        sweep = {"method": "random", "parameters": {"y": {"value": 1}}, "command": ["sh", text]}
        path.write_text(json.dumps(sweep))
        converted = convert(str(path))

        assert spec_of(converted).objective == "objectives:train"
        assert lost(converted, "objective") == ["the command, of 2 texts"]


@given(st.text("{}ab. $", max_size=12))
def test_a_text_of_a_command_stands_for_itself(text: str) -> None:
    assert fill_places(literal(text), lambda name: f"<{name}>") == text


def test_arguments_as_json_and_as_a_file_are_those_of_a_command(
    written: Callable[[str], Converted],
) -> None:
    converted = written(
        "method: random\nprogram: t.py\nparameters: {a: {min: 1, max: 3}, b-c: {values: [x, y]}, "
        "d: {values: [true, false]}}\n"
        "command: ['${env}', '${interpreter}', '${program}', '${args_json}', '${args_json_file}', "
        "'${args_no_hyphens}', '{fixed}']"
    )
    command = spec_of(converted).command
    params = {"a": 2, "b_c": "x", "d": True, "params": "/run/params.json"}

    assert fill_command(command, params, {"params": "/run/params.json"})[1:] == [
        "t.py",
        '{"a": 2, "b-c": "x", "d": true}',
        "/run/params.json",
        *("a=2", "b-c=x", "d=true"),
        "{fixed}",
    ]
    assert lost(converted, "command") == ['the names "b-c" in the file of parameters']
