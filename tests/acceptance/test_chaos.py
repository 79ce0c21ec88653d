"""150 trials on each database while every fault strikes at least once: nothing is lost or doubled.

`TUNER_CHAOS_SEED` replays a schedule; the seed is printed and stands in every failure.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.chaos.faults import make_attacks
from tests.chaos.fleet import has_faketime
from tests.chaos.plan import CLOCK, ChaosPlan, Outcome, summary
from tests.chaos.run import run
from tests.chaos.stack import Kind
from tests.support.service_process import Nursery

#: What CI runs: there a failure must be the fault of a change.
CI_SEED = 20261122
TRIALS = 150
#: Mean time between two faults, seconds: about a minute for all of them.
EVERY_S = 0.8


def chaos_seed() -> int:
    given = os.environ.get("TUNER_CHAOS_SEED")
    if given:
        return int(given)
    return CI_SEED if os.environ.get("TUNER_REQUIRE_ALL") == "1" else random.randrange(10**6)


# Two minutes each: some faults have to last longer than a lease.
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.usefixtures("redis_binary")
def test_nothing_is_lost_or_counted_twice_under_any_fault(
    kind: Kind, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not has_faketime() and os.environ.get("TUNER_REQUIRE_ALL") == "1":
        pytest.fail("needs the program `faketime` (Debian's package of this name)")
    clock = () if has_faketime() else (CLOCK,)

    outcome = storm(kind, nursery, tmp_path, request, without=(*make_attacks(), *clock))

    assert outcome.leases_lost > 0
    assert outcome.refused > 0


# Less than a minute each.
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.usefixtures("redis_binary")
def test_no_trial_user_or_stranger_breaks_anything_but_their_own(
    kind: Kind, nursery: Nursery, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    storm(kind, nursery, tmp_path, request, only=tuple(make_attacks()))


def storm(
    kind: Kind,
    nursery: Nursery,
    folder: Path,
    request: pytest.FixtureRequest,
    *,
    only: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
) -> Outcome:
    """Run a short storm of the given faults, each once, in which nothing may go wrong."""
    if kind == "postgresql":
        # Skips where there is none; the one that is stopped here is another.
        request.getfixturevalue("postgres_server")
    order = ChaosPlan(
        kind=kind,
        seed=chaos_seed(),
        trials=TRIALS,
        every_s=EVERY_S,
        each_once=True,
        only=only,
        without=without,
    )
    print(f"TUNER_CHAOS_SEED={order.seed}")  # noqa: T201 - shown when the test fails
    outcome = run(folder, nursery, order, print)
    assert not outcome.violations, summary(order, outcome)
    assert not outcome.missing, summary(order, outcome)
    assert outcome.trials >= TRIALS
    return outcome
