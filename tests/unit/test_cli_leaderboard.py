"""The table of the best trials, on screens of any width."""

from __future__ import annotations

import pytest
from rich.console import Console

from tuner.cli.render import output
from tuner.cli.render.study.leaderboard import Leaderboard, print_board, varied_parameters

ACC = [{"name": "acc", "goal": "maximize"}]
WIDTHS = (60, 80, 110, 200)


def row(
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
        "last_step": None,
        **more,
    }


def printed(board: Leaderboard, width: int = 120) -> str:
    console = Console(width=width, force_terminal=False, theme=output._THEME)
    with console.capture() as capture:
        print_board(console, board)
    return capture.get()


def many(count: int, rows: int = 2) -> list[dict[str, object]]:
    return [
        row(
            n, 0.5 - n / 10, {f"group{i % 7}.parameter_number_{i}": n + i / 8 for i in range(count)}
        )
        for n in range(rows)
    ]


def test_it_shows_what_was_varied_and_not_what_was_fixed() -> None:
    rows = [
        row(3, 0.9, {"train.lr": 0.01, "train.opt": "sgd", "train.momentum": 0.5, "fixed": 1}),
        row(1, 0.8, {"train.lr": 0.02, "train.opt": "adam", "fixed": 1}),
    ]
    text = printed(Leaderboard(rows=rows, metrics=ACC))

    assert varied_parameters(rows) == ["train.lr", "train.opt", "train.momentum"]
    assert "fixed" not in text
    assert "acc" in text
    assert text.index("0.9") < text.index("0.8")


@pytest.mark.parametrize("width", WIDTHS)
def test_three_hundred_parameters_fit_a_screen_and_those_that_matter_stand_first(
    width: int,
) -> None:
    rows = many(300)
    names = [f"group{i % 7}.parameter_number_{i}" for i in range(300)]
    order = ["group6.parameter_number_286", *names[:286], *names[287:]]
    text = printed(Leaderboard(rows=rows, metrics=ACC, order=order), width)
    lines = text.splitlines()

    assert len(lines) < 12
    assert max(len(line.rstrip()) for line in lines) <= width
    assert "number_286" in text
    assert text.index("number_286") < text.index("number_0")
    assert "more parameters: --all-params" in text
    assert "35.75" in text, "a value is shown whole"


def test_where_it_is_narrow_parameters_are_worth_more_than_durations() -> None:
    wide, narrow = (printed(Leaderboard(rows=many(3), metrics=ACC), width) for width in (120, 60))

    assert "12.3 s" in wide
    assert "12.3 s" not in narrow
    assert narrow.count("number_") == 3


def test_all_parameters_are_shown_when_asked_for() -> None:
    text = printed(Leaderboard(rows=many(30), metrics=ACC, all_params=True), 80)

    assert "parameter_number_29=" in text.replace("\n", "").replace(" ", "")
    assert "--all-params" not in text


def test_what_is_the_same_in_all_rows_is_said_once() -> None:
    rows = [row(n, 0.5, {"a.rate": n / 10, "a.kind": "adam", "fixed": 3}) for n in (1, 2, 3)]
    text = printed(Leaderboard(rows=rows, metrics=ACC, order=["a.kind", "a.rate"]))

    assert text.count("adam") == 1
    assert "the same in all: kind=adam" in text
    assert "fixed" not in text


def test_a_long_value_is_cut_with_a_mark() -> None:
    names = ["resnet-50-with-a-very-long-name-a", "resnet-50-with-a-very-long-name-b"]
    text = printed(
        Leaderboard(rows=[row(n, 0.5, {"m": name}) for n, name in enumerate(names)], metrics=ACC)
    )

    assert "resnet-50-with-a-very-l…" in text


def test_it_says_why_a_complete_trial_stands_above_a_pruned_one_that_looks_better() -> None:
    bad = row(0, 0.104, {"x": 1})
    good = row(3, 0.793, {"x": 2}, state="PRUNED", last_step=4)
    said = (
        "A complete 0.104 (trial 0) stands above a pruned 0.793 (trial 3): that is what the trial"
    )
    listed = printed(Leaderboard(rows=[bad, good], metrics=ACC), 200)
    unlisted = printed(Leaderboard(rows=[bad], metrics=ACC, counts={"pruned": 1}, pruned=good), 200)

    assert f"{said} last reported at step 4, before it was stopped, and no result." in listed
    assert "PRUNED at step 4" in listed
    assert f"1 pruned trial is not listed: --all. {said}" in unlisted
    for goal, pruned in (("minimize", good), ("maximize", {**good, "objective": 0.05})):
        board = Leaderboard(rows=[bad, pruned], metrics=[{"name": "acc", "goal": goal}])
        assert "stands above" not in printed(board, 200), goal


def test_a_front_shows_every_metric() -> None:
    rows = [row(0, None, {"x": 1}, metrics={"acc": 0.9, "size": 3.0})]
    goals = [*ACC, {"name": "size", "goal": "minimize"}]
    text = printed(Leaderboard(rows=rows, metrics=goals))

    assert "0.9" in text
    assert "3" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_every_name_and_value_is_whole_or_marked(width: int) -> None:
    rows = [row(n, 0.5, {"x": "a" * 40, "y": "[red]b[/red]", "n": n}) for n in range(2)]
    text = printed(Leaderboard(rows=rows, metrics=ACC, order=["n", "x", "y"]), width)

    assert "[red]b" in text or "+1 more" in text
    assert "a" * 20 in text
    assert "a" * 40 in text or "…" in text or "+1 more" in text
