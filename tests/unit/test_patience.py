"""The clock of tests that wait."""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest

from tests.support.patience import clock, share


def test_it_is_the_wall_clock_where_a_core_is_idle_and_slower_where_many_share_them() -> None:
    assert share(1, 2) == share(2, 2) == 1.0
    assert share(6, 2) == pytest.approx(1 / 3)
    assert share(100_000, 2) == 1 / 16


def test_it_never_runs_ahead_of_the_wall_clock() -> None:
    counted, began = clock(), time.monotonic()
    time.sleep(0.3)
    passed = clock() - counted

    assert 0.3 / 16 <= passed <= time.monotonic() - began


def _tell(pipe: multiprocessing.connection.Connection) -> None:
    first = clock()
    while clock() == first:
        time.sleep(0.01)
    pipe.send(os.getpid())


def test_it_goes_on_in_a_process_that_was_forked() -> None:
    clock()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_tell, args=(there,))
    process.start()

    assert here.recv() == process.pid
    process.join()
