from __future__ import annotations

import json
import math

import pytest

from tuner.cli import printing
from tuner.cli.render import output
from tuner.cli.render.trial.page import curve


def test_json_is_one_strict_document_with_null_for_what_is_not_finite(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printing.print_json({"a": [math.nan, math.inf, 1.5], "b": "ü", "c": ({"d": -math.inf},)})

    assert json.loads(capsys.readouterr().out) == {
        "a": [None, None, 1.5],
        "b": "ü",
        "c": [{"d": None}],
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (61, "1 min 01 s"),
        (3600, "1 h 00 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_are_written_in_two_units(seconds: float | None, text: str) -> None:
    assert output.duration(seconds) == text


def test_a_curve_is_as_wide_as_a_page_at_most() -> None:
    assert curve([1.0]) == "▁"
    assert curve([0.0, 0.5, 1.0]) == "▁▄█"
    assert len(curve([float(i) for i in range(1000)])) == 60
