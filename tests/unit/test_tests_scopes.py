"""Which tests run in one process: those of a file, but for the long ones that share nothing."""

from __future__ import annotations

import re
from pathlib import Path

from tests import conftest

ROOT = Path(__file__).parents[2]


def test_what_is_taken_apart_is_there() -> None:
    for test in (*conftest._APART, conftest._GUARDS):
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), test
    assert (ROOT / conftest._WIDE).is_file()
    assert (ROOT / conftest._BROWSER).is_dir()


def test_files_that_compute_stand_evenly_among_those_that_wait_and_short_ones_come_last() -> None:
    computing = [f"tests/acceptance/test_{n}.py" for n in range(2)]
    waiting = [f"tests/integration/test_{n}.py" for n in range(4)]
    short = [f"tests/unit/test_{n}.py" for n in range(3)]

    assert conftest._in_turn([*computing, *waiting, *short]) == [
        *(waiting[0], computing[0], waiting[1]),
        *(waiting[2], computing[1], waiting[3]),
        *short,
    ]


def test_what_takes_longest_in_one_process_is_begun_first() -> None:
    scopes = ["tests/acceptance/test_1.py", "tests/contracts/test_2.py", "tests/browser/"]
    waiting = ["tests/integration/test_3.py", "tests/schedulers/test_4.py"]

    begun = conftest._in_turn([*scopes, *waiting])
    assert begun[:2] == ["tests/browser/", "tests/schedulers/test_4.py"]
    assert sorted(begun) == sorted([*scopes, *waiting])


def test_the_folders_whose_order_is_chosen_are_there() -> None:
    for folder in (*conftest._COMPUTING, *conftest._LONG, conftest._SHORT):
        assert (ROOT / folder).is_dir(), folder
