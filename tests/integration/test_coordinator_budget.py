"""When a study ends, how many trials run at once, and what a re-submission may change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.archives import make_archive
from tests.support.study_lab import Lab
from tuner.storage import open_storage, tables

WIDE = {"trials": 100}


def test_the_number_of_trials_is_exact_with_more_workers_than_trials_left(lab: Lab) -> None:
    lab.submit(budget={"trials": 3})
    workers = [lab.worker() for _ in range(5)]
    for worker in workers:
        worker.beat()
    held = [worker.claim() for worker in workers[:3]]
    assert all(worker.finds_nothing(0.1) for worker in workers[3:])
    for one in held:
        one.complete(0.5)
    status = lab.wait_closed()

    assert (status["state"], status["reason"]) == ("finished", "budget.trials: 3 trials are done")
    assert (status["counts"]["complete"], status["budget"]["used"]) == (3, 3)
    assert len(lab.trials()) == 3


def test_hours_end_a_study_and_running_trials_finish(lab: Lab) -> None:
    lab.submit(budget={"hours": 1.0 / 3600})
    held = lab.claim()
    lab.wait(lambda: held.beat() and lab.status()["state"] == "stopping", "the time is over")

    assert held.complete(0.5).json()["is_outcome"] is True
    assert lab.wait_closed()["reason"].startswith("budget.hours: ")
    assert lab.status()["counts"]["complete"] == 1


def test_hours_that_were_used_survive_a_restart(own_lab: Lab) -> None:
    own_lab.submit(budget={"hours": 100.0})
    own_lab.wait(lambda: own_lab.status()["state"] == "running", "it runs")
    storage = open_storage(own_lab.service.database_url, create=False)
    # As if it had run for an hour: what is lost at a restart cannot be waited back.
    hour_ago = tables.studies.c.running_since - 3600.0
    with storage.begin() as connection:
        connection.execute(tables.studies.update().values(running_since=hour_ago))
    storage.close()
    for _ in range(2):
        own_lab.service.kill_and_start()
        # A trial is given when the new coordinator leads, and has taken the gap off.
        own_lab.claim().complete(0.5)
        assert 1.0 <= own_lab.status()["budget"]["used_hours"] < 1.1


def test_hours_stand_still_during_a_pause(lab: Lab) -> None:
    lab.submit(budget={"hours": 100.0})
    lab.do("pause")
    first = lab.service.get(f"/studies/{lab.study}")["budget"]["used_hours"]
    assert lab.worker().finds_nothing(0.5)
    assert lab.status()["budget"]["used_hours"] == first


@pytest.mark.parametrize(("goal", "target"), [("maximize", 0.8), ("minimize", 0.2)])
def test_a_target_that_is_reached_ends_the_study(lab: Lab, goal: str, target: float) -> None:
    lab.submit(
        metric={"name": "score", "goal": goal}, budget={**WIDE, "target": target}, parallel=1
    )
    worker = lab.worker()
    worker.claim().complete(0.5)
    worker.claim().complete(0.9 if goal == "maximize" else 0.1)
    status = lab.wait_closed()

    assert status["reason"].startswith("budget.target: 0.")
    assert status["counts"]["complete"] == 2


def test_patience_ends_a_study_that_gains_nothing(lab: Lab) -> None:
    lab.submit(budget={**WIDE, "patience": 2}, parallel=1)
    worker = lab.worker()
    for value in (0.1, 0.5, 0.4, 0.6, 0.6, 0.3):
        worker.claim().complete(value)
    status = lab.wait_closed()

    assert status["reason"] == "budget.patience: 2 trials without gain"
    assert (status["counts"]["complete"], status["best"]["trial"]) == (6, 3)


def test_patience_survives_a_restart(own_lab: Lab) -> None:
    own_lab.submit(budget={**WIDE, "patience": 3}, parallel=1)
    worker = own_lab.worker()
    for value in (0.5, 0.4, 0.3):
        worker.claim().complete(value)
    own_lab.service.kill_and_start()
    worker.claim().complete(0.2)

    assert own_lab.wait_closed()["counts"]["complete"] == 4


def test_parallel_caps_the_attempts_at_once(lab: Lab) -> None:
    lab.submit(budget={"trials": 6}, parallel=2)
    workers = [lab.worker() for _ in range(4)]
    done = 0
    while lab.status()["state"] == "running":
        held = [one for worker in workers if (one := worker.try_claim(wait_s=0.1)) is not None]
        assert len(held) <= 2
        assert lab.status()["counts"]["running"] <= 2
        for one in held:
            assert one.complete(0.5).status_code == 200
        done += len(held)

    assert done == 6


def test_two_studies_share_the_workers(lab: Lab) -> None:
    other = Lab(lab.service)
    other.image = lab.image
    lab.submit(budget={"trials": 40})
    other.submit(budget={"trials": 40})
    workers = [lab.worker() for _ in range(4)]
    for _ in range(3):
        held = [worker.claim() for worker in workers]
        shares = [
            sum(one.assignment["study"] == s for one in held) for s in (lab.study, other.study)
        ]
        assert shares == [2, 2]
        for one in held:
            one.complete(0.5)
    other.close()


def test_a_higher_priority_takes_the_larger_share(lab: Lab) -> None:
    other = Lab(lab.service)
    other.image = lab.image
    lab.submit(budget={"trials": 40})
    other.submit(budget={"trials": 40}, priority=1)
    held = [lab.worker().claim() for _ in range(6)]

    assert sum(one.assignment["study"] == other.study for one in held) == 4
    other.close()


def test_a_study_for_gpus_leaves_workers_without_one_alone(lab: Lab) -> None:
    lab.submit(trial={"gpus": 1})
    cpu, gpu = lab.worker("cpu"), lab.worker("gpu", device="gpu")

    assert cpu.finds_nothing()
    assert gpu.claim().trial == 0


def test_a_trial_goes_to_the_workers_that_own_as_many_gpus_as_it_asks_for(lab: Lab) -> None:
    lab.submit(trial={"gpus": 4})
    of_old_release = lab.worker("old", device="gpu")
    two = lab.worker("two", device="gpu", device_ids=["GPU-1", "GPU-2"])
    eight = lab.worker("eight", device="gpu", device_ids=[f"GPU-{n}" for n in range(8)])
    four = lab.worker("four", device="gpu", device_ids=[f"GPU-{n}" for n in range(20, 24)])

    assert all(worker.finds_nothing() for worker in (of_old_release, two, eight))
    # It is there, so a trial is made ready; the others get it no more than before.
    four.beat()
    lab.wait(lambda: [row["state"] for row in lab.trials()] == ["WAITING"], "a trial is ready")
    assert all(worker.finds_nothing() for worker in (of_old_release, two, eight))
    held = four.claim()
    assert held.assignment["devices"] == 4
    shown = {row["name"]: row for row in lab.service.get("/workers")}
    assert shown[four.name]["gpus"] == 4
    assert shown[four.name]["device_id"] == "GPU-20,GPU-21,GPU-22,GPU-23"
    assert shown[of_old_release.name]["gpus"] == 1


def test_a_study_asks_for_other_workers_once_its_gpus_are_edited(lab: Lab) -> None:
    lab.submit(trial={"gpus": 1})
    one = lab.worker("one", device="gpu", device_ids=["GPU-1"])
    two = lab.worker("two", device="gpu", device_ids=["GPU-2", "GPU-3"])
    one.claim().complete(0.5)
    lab.submit(trial={"gpus": 2})

    assert one.finds_nothing()
    assert two.claim().trial == 1


def test_submitting_the_same_again_is_the_same_study(lab: Lab) -> None:
    first = lab.submit()
    lab.claim().complete(0.5)
    again = lab.submit()

    assert first == {"study": lab.study, "state": "running", "created": True, "changes": []}
    assert again == {"study": lab.study, "state": "running", "created": False, "changes": []}
    assert lab.status()["counts"]["complete"] == 1


def test_a_finished_study_submitted_again_stays_finished(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    lab.claim().complete(0.5)
    before = lab.wait_closed()

    assert lab.submit(budget={"trials": 1})["state"] == "finished"
    assert lab.status() == before


def test_a_raised_budget_goes_on_where_the_study_stood(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    lab.claim().complete(0.5)
    lab.wait_closed()
    again = lab.submit(budget={"trials": 3})
    more = lab.run(lab.worker(), lambda _: 0.25)

    assert again["changes"] == [{"key": "budget.trials", "old": 1, "new": 3}]
    assert again["state"] == "running"
    assert [held.trial for held in more] == [1, 2]
    assert lab.status()["reason"] == "budget.trials: 3 trials are done"
    assert "budget.trials: 1 → 3" in lab.events("study-edited")[0]["text"]


def test_what_may_change_changes_while_the_study_runs(lab: Lab) -> None:
    lab.submit(budget={"trials": 9}, parallel=1)
    workers = [lab.worker() for _ in range(3)]
    first = workers[0].claim()
    assert workers[1].finds_nothing()
    changed = lab.submit(budget={"trials": 9}, parallel=3, priority=2, trial={"retries": 0})

    assert {c["key"] for c in changed["changes"]} == {"parallel", "priority", "trial.retries"}
    second = workers[1].claim()
    first.fail("rejected")
    assert lab.show(first.trial)["state"] == "FAIL", "no retries any more"
    assert second.complete(0.5).json()["is_outcome"] is True


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"search_space": {"x": {"type": "float", "low": 0.0, "high": 2.0}}}, "search_space.x"),
        ({"metric": {"name": "score", "goal": "minimize"}}, "metric"),
        ({"objective": "objectives:other"}, "objective"),
        ({"forbid": [{"x": 0.5}]}, "forbid"),
        ({"sampler": {"name": "tpe", "seed": 7}}, "sampler.name"),
    ],
)
def test_a_changed_study_is_refused_with_the_differences(
    lab: Lab, change: dict[str, Any], key: str
) -> None:
    lab.submit()
    answer = lab.service.call("POST", "/studies", {"spec": lab.spec(**change)})

    assert answer.status_code == 409
    detail = answer.json()["detail"]
    assert f"study {lab.study} exists and differs in what may not change" in detail
    assert f"  {key}: " in detail
    assert "(there) →" in detail
    assert lab.status()["state"] == "running"


def test_other_code_or_data_is_refused_too(lab: Lab) -> None:
    lab.submit()
    for name in ("code", "data"):
        body = {"spec": lab.spec(), name: "0" * 64}
        if name == "code":
            body["code"] = put_code(lab)
        answer = lab.service.call("POST", "/studies", body)
        assert (answer.status_code, f"  {name}: " in answer.json()["detail"]) == (409, True)


def test_a_spec_without_a_seed_keeps_the_one_that_was_drawn(lab: Lab) -> None:
    lab.submit(sampler={"name": "random"})
    again = lab.submit(sampler={"name": "random"})

    assert again["changes"] == []
    drawn = lab.claim().assignment["config"]["spec"]["sampler"]["seed"]
    assert isinstance(drawn, int)


def put_code(lab: Lab) -> str:
    """Store a snapshot; return its hash."""
    import hashlib

    content = make_archive({"objectives.py": "x = 1\n"})
    digest = hashlib.sha256(content).hexdigest()
    assert lab.service.call("PUT", f"/code/{digest}", content=content).status_code == 204
    return digest
