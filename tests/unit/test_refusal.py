"""A refusal on its way from the server to the command that tells it."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.refusal import Refusal

REFUSAL = Refusal(
    study="p/s",
    texts=("a.py: is new", "b.py: is gone"),
    code_only=True,
    sibling="s-2",
    learns=False,
    failed=True,
)


def test_a_refusal_arrives_as_it_was_sent() -> None:
    assert Refusal.from_json(REFUSAL.to_json()) == REFUSAL


@pytest.mark.parametrize("data", [None, [], "no", 3, {}, {"study": "p/s"}, {"texts": None}])
def test_what_is_no_refusal_is_none(data: Any) -> None:
    assert Refusal.from_json(data) is None


def test_every_way_is_a_command_with_the_options_that_were_given() -> None:
    lines = REFUSAL.message("tuner run", "s.yaml", "wide", ["-n", "2"]).splitlines()

    assert [line.split("  ")[1] for line in lines[4:]] == [
        "tuner run s.yaml -n 2 --as wide --code old",
        "tuner run s.yaml -n 2 --as wide --code new",
        "tuner run s.yaml -n 2 --as s-2",
        "tuner retry p/s --spec s.yaml",
    ]
    assert "learns" not in "\n".join(lines)
