"""The sampler keeps what it promises, on a few tasks that the project makes itself."""

from pathlib import Path

import pytest

from tests.benchmarks.sampler.gates import GATES, Gate, gate_runs, held
from tests.benchmarks.sampler.guards import GUARDS, Guard
from tests.benchmarks.sampler.results import Run

#: All the runs are made before the first test: minutes of one core, which others may want as well.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    return gate_runs(Path(tmp_path_factory.mktemp("gates")) / "runs.jsonl")


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.claim)
def test_the_sampler_keeps_what_it_promises(gate: Gate, runs: list[Run]) -> None:
    assert gate.measure(runs) <= gate.limit


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.claim)
def test_no_study_goes_wrong_as_they_once_did(guard: Guard) -> None:
    assert max(guard.measure()) <= guard.limit


def test_of_the_intervals_for_nine_of_ten_values_about_so_many_hold(runs: list[Run]) -> None:
    assert 0.8 <= held(runs) <= 0.97
