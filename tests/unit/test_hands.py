"""A call that does not return holds up one thread of a few, and nobody else for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.support.patience import wait_until
from tuner.service.roots.hands import Hands, Late, StuckError

SOON_S = 0.05


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Lets calls return that hang; open at the end of the test."""
    gate = threading.Event()
    yield gate
    gate.set()


def _stick(hands: Hands, key: str, gate: threading.Event) -> None:
    with pytest.raises(StuckError, match="has not answered") as caught:
        hands.do(key, f"the folder {key}", gate.wait)
    assert caught.value.is_begun


def test_what_a_call_returns_or_raises_is_given_on() -> None:
    hands = Hands("hand", 1, 60.0)

    assert hands.do("a", "a", lambda: 7) == 7
    with pytest.raises(KeyError, match="nothing"):
        hands.do("a", "a", lambda: {}["nothing"])
    assert hands.waiting() == []
    assert hands.late() == []


def test_a_call_that_hangs_is_named_and_others_are_done(gate: threading.Event) -> None:
    hands = Hands("hand", 2, 1.0)
    _stick(hands, "a", gate)

    (waiting,) = hands.waiting()
    assert (waiting.key, waiting.what) == ("a", "the folder a")
    assert waiting.seconds >= 1.0
    assert hands.is_stuck("a")
    assert hands.do("b", "b", lambda: 1) == 1


def test_the_same_thing_is_not_done_twice_at_a_time(gate: threading.Event) -> None:
    hands = Hands("hand", 2, SOON_S)
    _stick(hands, "a", gate)

    with pytest.raises(StuckError, match=r"not tried.*the folder a") as caught:
        hands.do("a", "the folder a", lambda: 1)
    assert not caught.value.is_begun


def test_when_all_are_stuck_nothing_is_tried_and_nobody_waits(gate: threading.Event) -> None:
    hands = Hands("hand", 2, SOON_S, queue_s=3600.0)
    _stick(hands, "a", gate)
    _stick(hands, "b", gate)

    with pytest.raises(StuckError, match="not tried, since the file system has not answered"):
        hands.do("c", "c", lambda: 1)


def test_a_late_end_is_told_once_and_frees_the_thread(gate: threading.Event) -> None:
    hands = Hands("hand", 1, SOON_S)
    _stick(hands, "a", gate)
    gate.set()
    wait_until(lambda: not hands.waiting(), "the call returns")

    assert hands.late() == [Late(key="a", result=True, error=None)]
    assert hands.late() == []
    assert not hands.is_stuck("a")


def test_a_late_error_is_told_too(gate: threading.Event) -> None:
    hands = Hands("hand", 1, SOON_S)

    def fail() -> None:
        gate.wait()
        raise OSError("gone")

    with pytest.raises(StuckError):
        hands.do("a", "a", fail)
    gate.set()
    (late,) = wait_until(hands.late, "the call ends")
    assert str(late.error) == "gone"


def test_calls_beyond_the_number_wait_for_their_turn() -> None:
    hands = Hands("hand", 2, 60.0)
    running, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.005)
        with lock:
            running -= 1

    threads = [
        threading.Thread(target=hands.do, args=(number, "work", work)) for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_one_thread_does_one_call_after_the_other() -> None:
    hands = Hands("patient-hand", 4, 60.0)
    for number in range(50):
        assert hands.do(number, "work", lambda number=number: number) == number

    threads = [thread for thread in threading.enumerate() if thread.name == "patient-hand"]
    assert len(threads) <= 1
