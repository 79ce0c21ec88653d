"""A study with a time limit for its trials: what trials took steers it, and stays on record."""

from __future__ import annotations

import math

import pytest

from tests.integration.cause_fleet import Fleet
from tests.support.protocol_worker import Held
from tests.support.service_process import TOKEN
from tests.support.study_lab import Lab
from tuner.cli.commands.replay import replay_study
from tuner.client import ApiClient
from tuner.samplers.marks import TOOK_ATTR

UNIT = {"type": "float", "low": 0.0, "high": 1.0}
KEYS = {
    "search_space": {"x": UNIT, "y": UNIT},
    "sampler": {"name": "bayesian", "seed": 5},
    "history": "none",
}
LIMIT_S = 600.0


def serve(held: Held, limit_s: float) -> bool:
    """Run a trial without waiting for it; return whether its limit has ended it."""
    total = sum(held.params.values())
    seconds = round(LIMIT_S * math.exp(3.0 * (total - 1.0)), 3)
    if seconds > limit_s:
        answer = held.finish("failed", cause="timeout", duration_s=limit_s + 0.25)
    else:
        answer = held.complete(total, duration_s=seconds)
    assert answer.status_code == 200, answer.text
    return seconds > limit_s


def verdicts(lab: Lab) -> set[tuple[str, str]]:
    with ApiClient(lab.service.url, TOKEN) as api:
        return {(r.verdict, r.reason) for _, r in replay_study(api, lab.study)}


def test_an_edited_limit_holds_for_the_proposals_after_it_and_all_can_be_made_again(
    lab: Lab,
) -> None:
    lab.submit(**KEYS, budget={"trials": 20}, trial={"timeout": "10m"}, parallel=1)
    worker = lab.worker()
    failed = [serve(worker.claim(), LIMIT_S) for _ in range(12)]
    path = f"/studies/{lab.study}"
    assert lab.service.call("PATCH", path, {"changes": {"trial.timeout": "30m"}}).is_success
    # The one that was proposed before the edit is claimed after it.
    failed += [serve(worker.claim(), 1800.0) for _ in range(8)]
    lab.wait_closed()

    # By chance, half of the first would fail.
    assert sum(failed[:12]) <= 6
    records = [lab.show(number)["proposal"] for number in range(20)]
    limits = [record["limit_s"] for record in records]
    assert limits == [600.0] * limits.count(600.0) + [1800.0] * limits.count(1800.0)
    assert limits.count(1800.0) >= 7
    # With more time they might have ended well.
    assert set(records[-1]["forgotten"]) >= {n for n in range(12) if failed[n]}
    assert any(sum(t["params"].values()) > 1.05 for t in lab.trials()[12:])
    took = [trial.system_attrs[TOOK_ATTR]["seconds"] for trial in lab.optuna_trials()]
    assert took == [trial["duration_s"] for trial in lab.trials()]
    assert verdicts(lab) == {("same", "")}


def test_an_attempt_that_went_on_counts_as_if_it_had_begun_at_the_start(lab: Lab) -> None:
    lab.submit(**KEYS, budget={"trials": 1})
    worker = lab.worker()
    held = worker.claim()
    for step in (1, 2, 3):
        held.report(step, 0.5)
    held.fail("preempted")
    held = worker.claim()
    for step in (4, 5, 6, 7):
        held.report(step, 0.5)
    held.complete(0.5, duration_s=10.0)
    lab.wait_closed()

    (trial,) = lab.optuna_trials()
    took = trial.system_attrs[TOOK_ATTR]
    step_s = took["reporting"] / 6
    assert took["seconds"] == pytest.approx(10.0 + 3 * step_s, abs=0.002)
    assert verdicts(lab) == {("same", "")}


def test_only_a_sampler_that_asks_for_durations_has_them_stored(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    lab.claim().complete(0.5)
    lab.wait_closed()

    assert TOOK_ATTR not in lab.optuna_trials()[0].system_attrs


@pytest.mark.slow
def test_trials_that_take_the_longer_the_better_they_are_keep_within_their_limit(
    fleet: Fleet,
) -> None:
    fleet.launch("w")
    lab = fleet.submit(
        **KEYS,
        objective="time_limit_trials:train",
        start_with=[],
        budget={"trials": 12},
        trial={"timeout": "2s"},
    )
    lab.wait(lambda: lab.status()["state"] == "finished", "the study ends", 120)

    ends = [(trial["state"], trial["cause"]) for trial in lab.trials()]
    # A busy machine starts processes slowly, and every trial takes that longer.
    assert ends.count(("FAIL", "timeout")) <= 6
    assert ends.count(("COMPLETE", None)) == 12 - ends.count(("FAIL", "timeout"))
    assert max(trial["objective"] or 0.0 for trial in lab.trials()) > 0.7
    assert verdicts(lab) == {("same", "")}
