"""The server killed again and again while it tunes: nothing lost, nothing repeated, exact budgets.

One server coordinates a study per sampler at the same time. It is killed after every second trial
of each study, in turn with results that it has accepted and not yet told to the sampler, with
attempts in the hands of workers, and in the middle of proposing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import pytest
from optuna.trial import TrialState

from tests.support.protocol_worker import Held
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.spaces import MIXED, finite
from tests.support.study_lab import Lab
from tuner.cli.commands.replay import replay_study
from tuner.client import ApiClient
from tuner.space import SearchSpace
from tuner.space.optuna import to_optuna
from tuner.storage.database import open_optuna

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]
TRIALS = 16
# What is fixed is not in Optuna's tables, with which these tests compare.
TREE = {name: p for name, p in MIXED.items() if p["type"] != "fixed"} | {
    "model.layers": {"type": "int", "low": 1, "high": 2}
}
FINITE = finite(9)
FORBID = [{"train.optimizer": "sgd", "model.layers": 2}]
START = [{"train.rate": 0.125, "train.optimizer": "adam"}]
OPTIONS: dict[str, dict[str, int]] = {
    "tpe": {"startup_trials": 3},
    "gp": {"startup_trials": 3},
    "nsga2": {"population": 3},
}
HAS_TORCH = importlib.util.find_spec("torch") is not None
SAMPLERS = ["bayesian", "tpe", "random", "grid", "qmc", "nsga2", *(["gp"] if HAS_TORCH else [])]


@dataclass
class Chaos:
    """What is left after all the kills."""

    service: ServiceProcess
    labs: dict[str, Lab]
    kills: int = 0
    #: Value by trial, as the workers were told that it is the outcome.
    accepted: dict[str, dict[int, float]] = field(default_factory=dict)


def objective(held: Held) -> float:
    return float(sum(map(ord, str(sorted(held.params.items()))))) / 1000


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def chaos(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[Chaos]:
    with make_service(request.param) as service:
        yield from _chaos(service)


def _chaos(service: ServiceProcess) -> Iterator[Chaos]:
    chaos = Chaos(service, {name: Lab(service, f"chaos-{name}") for name in SAMPLERS})
    for name, lab in chaos.labs.items():
        is_finite = name == "grid"
        lab.submit(
            sampler={"name": name, "seed": 5, **OPTIONS.get(name, {})},
            search_space=FINITE if is_finite else TREE,
            forbid=[] if is_finite else FORBID,
            start_with=[] if is_finite else START,
            budget={"trials": TRIALS},
        )
        chaos.accepted[name] = {}
    _run(chaos)
    yield chaos
    for lab in chaos.labs.values():
        lab.close()


def _run(chaos: Chaos) -> None:
    workers = {name: lab.worker() for name, lab in chaos.labs.items()}
    for _ in range(TRIALS // 2):
        held = {name: worker.claim() for name, worker in workers.items()}
        early = list(held)[:: 1 + chaos.kills % 2]
        for name in early:
            _finish(chaos, name, held.pop(name))
        for name in early:
            # The server is about to propose for them when it is killed.
            workers[name].beat()
        chaos.service.kill_and_start()
        chaos.kills += 1
        for name, one in held.items():
            _finish(chaos, name, one)
        for name, worker in workers.items():
            _finish(chaos, name, worker.claim())
    for lab in chaos.labs.values():
        lab.wait_closed()


def _finish(chaos: Chaos, name: str, held: Held) -> None:
    value = objective(held)
    answer = held.complete(value)
    assert answer.json()["is_outcome"] is True
    chaos.accepted[name][held.trial] = value


def spaces(name: str) -> SearchSpace:
    parts = (FINITE, []) if name == "grid" else (TREE, FORBID)
    return SearchSpace.from_json({"parameters": parts[0], "forbid": parts[1]})


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_budget_is_exact_and_no_number_is_missing(chaos: Chaos, sampler: str) -> None:
    trials = chaos.labs[sampler].trials()
    status = chaos.labs[sampler].status()

    assert chaos.kills == TRIALS // 2
    assert [trial["trial"] for trial in trials] == list(range(TRIALS))
    assert {trial["state"] for trial in trials} == {"COMPLETE"}
    assert [trial["attempts"] for trial in trials] == [1] * TRIALS, "no kill cost an attempt"
    assert (status["state"], status["budget"]["used"]) == ("finished", TRIALS)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_accepted_result_is_lost_or_changed(chaos: Chaos, sampler: str) -> None:
    trials = chaos.labs[sampler].trials()

    assert {trial["trial"]: trial["objective"] for trial in trials} == chaos.accepted[sampler]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_configuration_is_repeated_forbidden_or_invalid(chaos: Chaos, sampler: str) -> None:
    space = spaces(sampler)
    tried = [trial["params"] for trial in chaos.labs[sampler].trials()]

    assert len({space.key(params) for params in tried}) == TRIALS
    assert [space.problems(params) for params in tried] == [[]] * TRIALS
    assert not any(space.is_forbidden(params) for params in tried)
    if sampler != "grid":
        assert START[0].items() <= tried[0].items()


# A kill every second trial leaves gp no time: its first fit of a process takes seconds (torch).
@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "gp"])
def test_the_sampler_is_at_work_after_every_restart(chaos: Chaos, sampler: str) -> None:
    lab = chaos.labs[sampler]
    used = [lab.show(number)["proposal"]["sampler"] for number in range(TRIALS)]

    # A proposal that is not ready in time is replaced by a random one, which is no fault.
    assert used[TRIALS // 2 :].count(sampler) >= 1, used


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_proposal_comes_out_of_its_record_again(chaos: Chaos, sampler: str) -> None:
    with ApiClient(chaos.service.url, TOKEN) as api:
        found = [result for _, result in replay_study(api, chaos.labs[sampler].study)]

    assert [(result.verdict, result.reason) for result in found] == [("same", "")] * TRIALS


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_optuna_reads_the_same_study_as_our_tables(chaos: Chaos, sampler: str) -> None:
    lab = chaos.labs[sampler]
    space = spaces(sampler)
    ours = [
        {
            "number": trial["trial"],
            "state": TrialState.COMPLETE,
            "values": [trial["objective"]],
            "params": {
                name: to_optuna(space[name], value) for name, value in trial["params"].items()
            },
        }
        for trial in lab.trials()
    ]
    theirs = [
        {
            "number": trial.number,
            "state": trial.state,
            "values": trial.values,
            "params": trial.params,
        }
        for trial in lab.optuna_trials()
    ]

    assert theirs == ours


def test_nsga2_goes_on_with_its_generations(chaos: Chaos) -> None:
    found = [
        value
        for trial in chaos.labs["nsga2"].optuna_trials()
        for key, value in trial.system_attrs.items()
        if key.endswith("generation")
    ]

    assert max(found) >= 2, "each restart would begin with generation 0"


def test_qmc_goes_on_in_its_sequence(chaos: Chaos) -> None:
    storage = open_optuna(chaos.service.database_url)
    study = storage.get_study_id_from_name("faults/chaos-qmc")
    attrs = storage.get_study_system_attrs(study)
    storage.remove_session()
    storage.engine.dispose()

    positions = [value for key, value in attrs.items() if "qmc" in key and isinstance(value, int)]
    assert max(positions) > TRIALS // 4, "each restart would begin at 0"


def test_what_the_log_root_lacks_is_there_after_the_kills(chaos: Chaos) -> None:
    chaos.service.stop()  # it brings the log root up to date
    root = chaos.service.log_root
    for lab in chaos.labs.values():
        folders = sorted((root / lab.study).glob("trial_*"))
        assert len(folders) == TRIALS
        assert all((folder / "trial.json").exists() for folder in folders)
        assert all((folder / "config.json").exists() for folder in folders)
        assert all(list(folder.glob("events.out.tfevents.*")) for folder in folders)
    chaos.service.start()
