from __future__ import annotations

import json
import math

import pytest
from rich.console import Console

from tuner.cli import output, tables
from tuner.cli.trial_view import curve


def _row(
    trial: int, objective: float | None, params: dict[str, object], **more: object
) -> dict[str, object]:
    return {
        "trial": trial,
        "objective": objective,
        "state": "COMPLETE",
        "cause": None,
        "params": params,
        "metrics": {},
        "attempts": 1,
        "duration_s": 12.34,
        **more,
    }


def _print(table: object, width: int = 120) -> str:
    console = Console(width=width, force_terminal=False, theme=output._THEME)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_json_is_one_strict_document_with_null_for_what_is_not_finite(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.print_json({"a": [math.nan, math.inf, 1.5], "b": "ü", "c": ({"d": -math.inf},)})

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


def test_the_leaderboard_shows_what_was_varied_and_not_what_was_fixed() -> None:
    rows = [
        _row(3, 0.9, {"train.lr": 0.01, "train.opt": "sgd", "train.momentum": 0.5, "fixed": 1}),
        _row(1, 0.8, {"train.lr": 0.02, "train.opt": "adam", "fixed": 1}),
    ]
    text = _print(tables.best_table(rows, [{"name": "acc", "goal": "maximize"}], width=120))

    assert tables.varied_parameters(rows) == ["train.lr", "train.opt", "train.momentum"]
    assert "fixed" not in text
    assert "acc" in text
    assert text.index("0.9") < text.index("0.8")


def test_many_parameters_become_one_column_instead_of_being_cut() -> None:
    rows = [_row(n, 0.5, {f"group.parameter_number_{i}": n + i for i in range(12)}) for n in (0, 1)]
    text = _print(
        tables.best_table(rows, [{"name": "acc", "goal": "maximize"}], width=80), width=80
    )

    assert "parameter_number_11=" in text.replace("\n", "").replace(" ", "")
    assert "…" not in text


def test_short_names_are_used_only_where_they_are_unique() -> None:
    text = tables.short_params({"a.size": 1, "b.size": 2, "b.rate": 0.125})

    assert "a.size=" in text
    assert "b.size=" in text
    assert "]rate=" in text


def test_a_front_shows_every_metric() -> None:
    rows = [_row(0, None, {"x": 1}, metrics={"acc": 0.9, "size": 3.0})]
    goals = [{"name": "acc", "goal": "maximize"}, {"name": "size", "goal": "minimize"}]
    text = _print(tables.best_table(rows, goals, width=120))

    assert "0.9" in text
    assert "3" in text


def test_user_text_is_not_taken_for_markup() -> None:
    text = tables.short_params({"x": "[red]boo[/red]"})

    assert "[red]boo" in _print(text)


def test_a_curve_is_as_wide_as_a_page_at_most() -> None:
    assert curve([1.0]) == "▁"
    assert curve([0.0, 0.5, 1.0]) == "▁▄█"
    assert len(curve([float(i) for i in range(1000)])) == 60
