"""Studies that learn from earlier ones, on a real server: seeded, told of, and the same again."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.protocol_worker import Held
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.study_lab import Lab
from tuner.cli.commands.replay import replay_study
from tuner.client import ApiClient
from tuner.storage import open_storage, tables

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]

SPACE = {
    "train.rate": {"type": "float", "low": 1e-5, "high": 1.0, "log": True},
    "train.momentum": {"type": "float", "low": 0.0, "high": 1.0},
    "model.kind": {"type": "categorical", "values": ["a", "b", "c"]},
}
TRIALS = 8


def far(params: dict[str, Any]) -> float:
    """Return how far a configuration is from the best one: 0 to about 3, on average 1.4."""
    rate = abs(math.log10(params["train.rate"]) + 4) / 5
    return rate + abs(params["train.momentum"] - 0.8) + float(params["model.kind"] != "b")


def objective(held: Held) -> float:
    return 1.0 - far(held.params)


def run(service: ServiceProcess, name: str, **changes: Any) -> Lab:
    """Run a study to its end."""
    lab = submit(service, name, **changes)
    lab.run(lab.worker(), objective)
    return lab


def submit(service: ServiceProcess, name: str, **changes: Any) -> Lab:
    lab = Lab(service, name)
    keys = {"sampler": {"name": "bayesian", "seed": 5}, "budget": {"trials": TRIALS}}
    lab.submit(search_space=SPACE, **{**keys, **changes})
    return lab


def verdicts(lab: Lab) -> list[tuple[str, str]]:
    with ApiClient(lab.service.url, TOKEN) as api:
        return [(r.verdict, r.reason) for _, r in replay_study(api, lab.study)]


def explain(lab: Lab, trial: int | None = None) -> dict[str, Any]:
    with ApiClient(lab.service.url, TOKEN) as api:
        return api.explain(lab.study) if trial is None else api.explain_trial(lab.study, trial)


def told(lab: Lab) -> list[str]:
    return [event["text"] for event in lab.events("history")]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def taught(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[ServiceProcess]:
    """A server with one finished study, from which others learn."""
    with make_service(request.param) as service:
        run(service, "teacher", sampler={"name": "random", "seed": 3}, budget={"trials": 30})
        yield service


@pytest.fixture(scope="module")
def pupil(taught: ServiceProcess) -> Lab:
    """A study that has learnt from it; the server was killed in the middle of it."""
    lab = submit(taught, "pupil")
    worker = lab.worker()
    for _ in range(TRIALS // 2):
        held = worker.claim()
        held.complete(objective(held))
    taught.kill_and_start()
    lab.run(worker, objective)
    return lab


@pytest.mark.slow
def test_a_hypermodel_learns_from_history_as_its_space_grows_and_is_killed_in_between(
    taught: ServiceProcess,
) -> None:
    lab = Lab(taught, "grower")
    spec = lab.spec(
        hypermodel="zoo:Net", sampler={"name": "bayesian", "seed": 5}, budget={"trials": TRIALS}
    )
    taught.post("/studies", {"spec": {**spec, "objective": None, "search_space": None}})
    worker = lab.worker()
    values = {"train.rate": 0.5, "train.momentum": 0.1, "model.kind": "a"}

    def finish(held: Held, *names: str) -> None:
        met = [
            {"name": n, "source": n, "definition": SPACE[n], "value": held.params.get(n, values[n])}
            for n in names
        ]
        assert held.post("report", {"token": held.token, "points": [], "found": met}).is_success
        params = {**values, **held.params}
        assert held.complete(1.0 - far(params)).is_success

    for number in range(TRIALS):
        held = worker.claim()
        assert (number == 0) == (held.params == {})
        finish(held, *(list(SPACE)[:2] if number < 3 else SPACE))
        if number in (1, 4):
            taught.kill_and_start()
    lab.wait_closed()

    assert lab.show(0)["params"] == {n: values[n] for n in list(SPACE)[:2]}
    assert lab.show(3)["params"].keys() == lab.show(TRIALS - 1)["params"].keys() == SPACE.keys()
    assert [trial.params for trial in lab.optuna_trials()] == [
        lab.show(number)["params"] for number in range(TRIALS)
    ]
    assert verdicts(lab) == [("same", "")] * TRIALS
    assert not lab.events("history-failed")
    assert lab.show(TRIALS - 1)["proposal"]["artifact"]
    lab.close()


def test_the_second_study_begins_near_the_best_of_the_first(pupil: Lab) -> None:
    trials = [pupil.show(number) for number in range(TRIALS)]
    # Where the machine is too slow for the sampler, a random configuration is taken.
    chosen = [trial for trial in trials if trial["proposal"]["sampler"] == "bayesian"]

    assert far(chosen[0]["params"]) < 0.4
    assert chosen[0]["trial"] > 0 or chosen[0]["proposal"]["insight"]["model"] == "prior"
    assert all(trial["proposal"]["artifact"] for trial in trials)
    assert told(pupil) == ["30 trials of 1 study inform this study"]


def test_a_kill_between_changes_nothing_that_replay_would_not_find_again(pupil: Lab) -> None:
    keys = {pupil.show(number)["proposal"]["artifact"] for number in range(TRIALS)}

    assert len(keys) == 1, "the artifact outlives the server"
    assert verdicts(pupil) == [("same", "")] * TRIALS


def test_the_receipt_names_the_source_and_what_it_gained(pupil: Lab) -> None:
    receipt = explain(pupil)

    (source,) = receipt["sources"]
    assert (source["key"], source["used"], source["share"]) == ("faults/teacher", 30, 1.0)
    assert receipt["state"] == "informed"
    (artifact,) = receipt["artifacts"]
    assert (artifact["first_trial"], artifact["last_trial"]) == (0, TRIALS - 1)
    gain = receipt["gain"]
    assert gain["trials"] == TRIALS
    assert gain["saved"]["low"] <= gain["saved"]["median"] <= gain["saved"]["high"]
    assert [proposal["trial"] for proposal in receipt["proposals"]] == list(range(TRIALS))


def test_a_trial_says_why_it_was_proposed_and_what_is_near_it(pupil: Lab) -> None:
    chosen = [n for n in range(TRIALS) if pupil.show(n)["proposal"]["sampler"] == "bayesian"]
    first, last = explain(pupil, chosen[0]), explain(pupil, chosen[-1])

    beginning = "the first choice of history: nothing was known of this study yet"
    assert first["why"].startswith(beginning if chosen[0] == 0 else "the largest expected")
    near = first["nearest"][0]
    assert near["study"] == "faults/teacher"
    teacher = {str(trial["trial"]): trial for trial in Lab(pupil.service, "teacher").trials()}
    trial = teacher[near["trial"]]
    assert (near["params"], near["value"]) == (trial["params"], trial["objective"])
    assert near["run_dir"] == trial["run_dir"]
    assert last["why"].startswith("the largest expected improvement by history, trusted ")
    assert last["z"]["std"] > 0


def test_what_is_near_is_shown_with_the_metric_that_the_spec_renames(
    taught: ServiceProcess,
) -> None:
    renamed = {"study": "faults/teacher", "rename": {"score": "quality"}}
    metric = {"name": "quality", "goal": "maximize"}
    lab = run(taught, "renamer", metric=metric, history=[renamed], budget={"trials": 3})

    chosen = [n for n in range(3) if lab.show(n)["proposal"]["sampler"] == "bayesian"]
    near = explain(lab, chosen[0])["nearest"][0]

    teacher = {str(trial["trial"]): trial for trial in Lab(taught, "teacher").trials()}
    assert (near["metric"], near["value"]) == ("score", teacher[near["trial"]]["objective"])


def test_history_none_is_cold_and_says_so(taught: ServiceProcess) -> None:
    lab = run(taught, "cold", history="none")

    receipt = explain(lab)
    assert (receipt["state"], receipt["summary"]) == ("unused", "starts cold: history is none")
    assert {lab.show(n)["proposal"]["artifact"] for n in range(TRIALS)} == {None}
    assert verdicts(lab) == [("same", "")] * TRIALS


def test_a_metric_that_nobody_has_measured_starts_cold_and_says_so(taught: ServiceProcess) -> None:
    lab = run(taught, "speed", metric={"name": "latency_ms", "goal": "minimize"})

    reason = "starts cold: no historic run has the metric latency_ms"
    assert told(lab)[0].startswith(reason)
    assert explain(lab)["summary"].startswith(reason)
    assert {lab.show(n)["proposal"]["artifact"] for n in range(TRIALS)} == {None}
    assert verdicts(lab) == [("same", "")] * TRIALS


def test_two_metrics_learn_each_from_its_own(taught: ServiceProcess) -> None:
    metric = [{"name": "score", "goal": "maximize"}, {"name": "cost", "goal": "minimize"}]
    lab = submit(taught, "both", metric=metric)
    worker = lab.worker()
    while lab.status()["state"] == "running":
        held = worker.try_claim(wait_s=0.3)
        if held is not None:
            held.complete(objective(held), held.params["train.momentum"])

    receipt = explain(lab)
    taught_by = [s for s in receipt["sources"] if s["key"] == "faults/teacher"]
    used = {source["metric"]: source["used"] for source in taught_by}
    assert used == {"score": 30, "cost": 0}
    assert lab.show(0)["proposal"]["artifact"] == receipt["artifact"]
    assert verdicts(lab) == [("same", "")] * TRIALS


def test_what_another_study_finds_out_holds_from_the_next_proposal_on(
    make_service: MakeService,
) -> None:
    with make_service("sqlite") as service:
        pupil = submit(service, "pupil")
        worker = pupil.worker()
        held = worker.claim()
        run(service, "teacher", sampler={"name": "random", "seed": 3}, budget={"trials": 20})
        pupil.wait(lambda: len(told(pupil)) == 2, "the pupil learns of it")
        held.complete(objective(held))
        pupil.run(worker, objective)

        texts = ["starts cold: there is no history", "20 trials of 1 study inform this study"]
        assert told(pupil) == texts
        artifacts = [pupil.show(n)["proposal"]["artifact"] for n in range(TRIALS)]
        assert artifacts[0] is None
        assert len(set(artifacts[2:])) == 1
        assert artifacts[2] is not None
        assert verdicts(pupil) == [("same", "")] * TRIALS


def test_history_that_cannot_be_read_stops_no_study(make_service: MakeService) -> None:
    with make_service("sqlite") as service:
        run(service, "teacher", sampler={"name": "random", "seed": 3}, budget={"trials": 12})
        storage = open_storage(service.database_url, create=False)
        t = tables.trials
        with storage.begin() as connection:
            connection.execute(t.update().where(t.c.number == 0).values(params_json="{broken"))
        storage.close()
        pupil = run(service, "pupil", budget={"trials": 2})

        receipt = explain(pupil)
        assert receipt["summary"].startswith("starts cold: faults/teacher cannot inform this study")
        (source,) = receipt["sources"]
        assert source["left_out"].startswith("cannot be read: its rows are damaged")
        assert pupil.status()["state"] == "finished"


def test_an_artifact_that_was_damaged_is_a_difference_and_not_a_crash(pupil: Lab) -> None:
    key = pupil.show(0)["proposal"]["artifact"]
    storage = open_storage(pupil.service.database_url, create=False)
    a, s = tables.artifacts, tables.studies
    mine = sa.select(s.c.id).where(s.c.name == "pupil").scalar_subquery()
    with storage.begin() as connection:
        query = sa.select(a).where(a.c.key.endswith(key), a.c.study_id == mine)
        row = connection.execute(query).one()
        broken = struct.pack(">I", 5) + b"stuff"
        connection.execute(a.update().where(a.c.key == row.key).values(content=broken))
    found = verdicts(pupil)
    with storage.begin() as connection:
        connection.execute(a.update().where(a.c.key == row.key).values(content=row.content))
    storage.close()

    assert {verdict for verdict, _ in found} == {"different"}
    assert found[0][1].startswith(f"artifact {key[:12]}: ")
