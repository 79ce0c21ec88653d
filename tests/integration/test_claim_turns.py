"""Which study a worker gets a trial of."""

from __future__ import annotations

import time
from pathlib import Path

import sqlalchemy as sa

from tests.support.hostile.study_faults import House, spec
from tests.support.patience import clock
from tuner.storage import tables


def test_of_studies_that_are_as_far_below_their_share_the_trial_that_waits_longest_is_first(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    try:
        house.service.submit(spec("older"))
        house.service.pause("lab/older")
        house.service.submit(spec("younger"))
        ready(house, 1)
        house.service.resume("lab/older")
        ready(house, 2)

        claimed = [house.claim(f"w-{n}") for n in range(2)]
    finally:
        house.close()

    assert [held and held.given.study for held in claimed] == ["lab/younger", "lab/older"]


def test_a_study_whose_only_trial_is_preempted_again_and_again_keeps_no_other_from_its_turn(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    claimed: list[str] = []
    try:
        house.service.submit(spec("preempted"))
        ready(house, 1)
        house.service.submit(spec("other"))
        deadline = clock() + 10.0
        while claimed[-1:] != ["lab/other"] and clock() < deadline:
            held = house.claim("the-only-worker")
            if held is not None:
                claimed.append(held.given.study)
                held.finish("failed", cause="preempted")
            house.rounds(1)
    finally:
        house.close()

    assert claimed[0] == "lab/preempted"
    assert claimed[-1] == "lab/other"


def ready(house: House, count: int) -> None:
    """Have so many trials wait for workers."""
    deadline = clock() + 10.0
    while waiting(house) < count:
        assert clock() < deadline, house.states()
        house.idle(count)
        house.rounds(1)
        time.sleep(0.01)


def waiting(house: House) -> int:
    a = tables.attempts
    query = sa.select(sa.func.count()).where(a.c.state == "ready")
    with house.storage.read() as connection:
        return int(connection.execute(query).scalar_one())
