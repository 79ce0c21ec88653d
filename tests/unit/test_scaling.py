"""How many workers a host should have: soon up, down after a while, within the limits."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tuner.local.fleets.scaling import Look, Scaling, ScalingLimits, ScalingTarget

COOLDOWN_S = 60.0


class Host:
    """A host that does as it is told; `busy` are those of its workers that run a trial."""

    def __init__(self, least: int = 0, most: int = 8) -> None:
        self.count = least
        self.at = 1000.0
        self._scaling = Scaling(ScalingLimits(least=least, most=most, cooldown_s=COOLDOWN_S))

    def look(self, wanted: int, *, after: float = 2.0, **facts: Any) -> ScalingTarget:
        """Look after so many seconds; the host then has what was decided."""
        self.at += after
        given = {"others": 0, "busy": 0, "room": 1000, **facts}
        look = Look(at=self.at, wanted=wanted, count=self.count, **given)
        target = self._scaling.decide(look)
        self.count = target.count
        return target

    def settle(self, wanted: int, **facts: Any) -> ScalingTarget:
        """Look twice, as more workers need it."""
        self.look(wanted, **facts)
        return self.look(wanted, **facts)

    def forget(self) -> None:
        self._scaling.forget()


def test_workers_come_when_a_second_look_confirms_it_up_to_the_most_that_are_allowed() -> None:
    host = Host()

    assert host.look(3) == ScalingTarget(count=0)
    assert host.look(3) == ScalingTarget(count=3)
    assert host.settle(5) == ScalingTarget(count=5)
    assert host.settle(50) == ScalingTarget(count=8, bound="--max 8")


def test_workers_that_others_start_in_the_next_moment_are_not_started_here_too() -> None:
    host = Host()
    host.look(4)

    assert host.look(4, others=4) == ScalingTarget(count=0)
    assert host.look(6, others=4) == ScalingTarget(count=0)
    assert host.look(9, others=4) == ScalingTarget(count=2), "the fewest that were wanted meanwhile"


def test_workers_leave_only_when_fewer_were_wanted_for_a_while() -> None:
    host = Host()
    host.settle(6)

    assert host.look(0).count == 6
    assert host.look(0, after=COOLDOWN_S - 1).count == 6
    assert host.look(0, after=1).count == 0


def test_a_demand_that_comes_and_goes_starts_and_ends_no_workers() -> None:
    host = Host()
    host.settle(4)
    counts = {host.look(wanted, after=20.0).count for wanted in (0, 4, 1, 4, 0, 2, 4) * 5}

    assert counts == {4}


def test_the_most_that_was_wanted_meanwhile_is_kept() -> None:
    host = Host()
    host.settle(8)
    for wanted in (0, 3, 1):
        host.look(wanted, after=20.0)

    assert host.look(0, after=20.0).count == 3
    assert host.look(0, after=2.0).count == 3
    assert host.look(0, after=COOLDOWN_S).count == 0


def test_no_busy_worker_is_given_up_and_the_least_stay() -> None:
    host = Host(least=1)
    host.settle(5)
    host.look(0, busy=3)
    assert host.look(0, busy=3, after=COOLDOWN_S).count == 3
    host.look(0)

    assert host.look(0, after=COOLDOWN_S) == ScalingTarget(count=1, bound="--min 1")


def test_workers_that_are_there_already_are_not_started_again() -> None:
    host = Host()

    assert host.settle(5, others=2).count == 3
    assert host.look(1, others=2).count == 3
    assert host.look(5, others=7, after=COOLDOWN_S).count == 0


def test_no_more_workers_are_started_than_there_are_free_devices() -> None:
    host = Host()

    assert host.settle(5, room=2) == ScalingTarget(
        count=2, bound="the GPUs that are free here allow 2"
    )
    assert host.look(5, room=0).count == 2, "those that are there end their trials first"
    assert host.look(5, room=0, after=COOLDOWN_S).count == 0


def test_time_in_which_nobody_answered_makes_no_worker_leave() -> None:
    host = Host()
    host.settle(4)
    host.look(0)
    host.forget()

    assert host.look(0, after=10 * COOLDOWN_S).count == 4


@given(
    st.integers(0, 3),
    st.integers(3, 10),
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 9)),
        max_size=40,
    ),
)
def test_the_number_stays_within_its_limits_and_settles_on_what_is_wanted(
    least: int, most: int, looks: list[tuple[int, int, int, int]]
) -> None:
    host = Host(least=least, most=most)
    for wanted, others, after, busy in looks:
        before = host.count
        count = host.look(wanted, others=others, after=after, busy=min(busy, before)).count
        assert least <= count <= most
        assert count >= min(busy, before)
    # Twice down: to what was wanted during the last cooldown, and during one more.
    for _ in range(4):
        host.look(2, after=COOLDOWN_S + 1)

    assert host.count == min(max(2, least), most)
