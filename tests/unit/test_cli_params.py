"""Parameters in a line."""

from __future__ import annotations

import pytest
from rich.text import Text

from tuner.cli.render.params import cut, fitted_params, header, ordered, params_text

PARAMS = {"train.learning_rate": 0.00921, "train.optimizer": "adam", "model.width": 64}


def plain(markup: str) -> str:
    return Text.from_markup(markup).plain


def test_as_many_as_fit_stand_there_whole_and_the_others_are_counted() -> None:
    line = {room: plain(fitted_params(PARAMS, PARAMS, room)) for room in range(12, 60)}

    assert line[59] == "learning_rate=0.00921 optimizer=adam width=64"
    assert line[44] == "learning_rate=0.00921 optimizer=adam +1 more"
    assert line[36] == "learning_rate=0.00921 +2 more"
    assert all(len(text) <= room for room, text in line.items())


def test_a_name_is_cut_before_its_value_and_with_a_mark() -> None:
    text = plain(
        fitted_params(
            {"a_long_name_of_a_parameter": 0.25, "b": 1}, ["a_long_name_of_a_parameter", "b"], 24
        )
    )

    assert text == "a_long_nam…=0.25 +1 more"


@pytest.mark.parametrize("room", [-5, 0, 1, 5])
def test_where_there_is_no_room_nothing_is_written_over_the_edge(room: int) -> None:
    assert plain(fitted_params(PARAMS, PARAMS, room)) == ""


def test_names_in_an_order_come_first_and_the_others_as_they_are() -> None:
    assert ordered(["a", "b", "c", "d"], ["d", "b"]) == ["d", "b", "a", "c"]


def test_short_names_are_used_only_where_they_are_unique() -> None:
    names = {"a.size": 1, "b.size": 2, "b.rate": 0.125}

    assert plain(params_text(names, names)) == "a.size=1 b.size=2 rate=0.125"


def test_user_text_is_not_taken_for_markup() -> None:
    assert plain(params_text({"x": "[red]boo[/red]"}, ["x"])) == "x=[red]boo[/red]"


def test_a_wide_letter_counts_for_two_columns() -> None:
    assert cut("日本語" * 10, 11) == "日本語日本…"


def test_a_long_name_takes_several_lines_of_a_column() -> None:
    assert header("train.learning_rate") == "train.\nlearning_rate"
    assert header("val_sparse_categorical_accuracy").count("\n") >= 1
    assert max(map(len, header("val_sparse_categorical_accuracy").split("\n"))) < 16
