"""Our TPE proposes what Optuna's does, to the last bit."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from tuner.samplers.tpe import FastTPESampler, TpeMemory

TRIALS = 60
SPACE: dict[str, BaseDistribution] = {
    "kind": CategoricalDistribution(["a", "b", "c"]),
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
    "layers": IntDistribution(1, 9, step=2),
    "only_a": FloatDistribution(0.0, 1.0, step=0.25),
    "only_b": IntDistribution(1, 512, log=True),
}
PRUNERS = {
    "none": optuna.pruners.NopPruner(),
    "hyperband": optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9),
}
Make = Callable[..., optuna.samplers.BaseSampler]


def conditional(params: dict[str, Any]) -> list[str]:
    """Return the active parameters."""
    return ["rate", "layers", *(f"only_{kind}" for kind in "ab" if params["kind"] == kind)]


def flat(_params: dict[str, Any]) -> list[str]:
    return ["rate", "layers", "only_a", "only_b"]


def a_study(direction: str, pruner: str) -> optuna.Study:
    return optuna.create_study(
        study_name="same", direction=direction, pruner=PRUNERS[pruner], sampler=None
    )


def propose(
    study: optuna.Study, sampler: optuna.samplers.BaseSampler, active: Callable[..., list[str]]
) -> tuple[FrozenTrial, dict[str, Any]]:
    """Ask as the coordinator does: a whole configuration, with a sampler made for it."""
    study.sampler = sampler
    trial = study.ask()
    params = {"kind": trial.suggest_categorical("kind", SPACE["kind"].choices)}
    for name in active(params):
        params[name] = trial._suggest(name, SPACE[name])
    return study._storage.get_trial(trial._trial_id), params


def end(study: optuna.Study, trial: FrozenTrial, rng: random.Random) -> None:
    """Give a running trial one of the ends that the coordinator's in-memory study knows."""
    step = rng.randint(1, 4)
    state = rng.choices(
        [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL], weights=[7, 2, 1]
    )[0]
    # Whole tenths, so that there are ties.
    value = rng.randint(-20, 20) / 10
    if rng.random() < 0.7:
        study._storage.set_trial_intermediate_value(trial._trial_id, step, value)
    if state == TrialState.PRUNED and rng.random() < 0.5:
        study._storage.set_trial_system_attr(trial._trial_id, "constraints:tuner", float("inf"))
    values = [value] if state == TrialState.COMPLETE else None
    study._storage.set_trial_state_values(trial._trial_id, state, values)


def proposals(
    make: Make, *, seed: int, direction: str, pruner: str, active: Callable[..., list[str]]
) -> list[dict[str, Any]]:
    """Return what a study of many trials was proposed, with up to six of them pending."""
    rng = random.Random(seed)
    study = a_study(direction, pruner)
    pending: list[FrozenTrial] = []
    found = []
    for number in range(TRIALS):
        trial, params = propose(study, make(seed=seed * 1000 + number), active)
        found.append(params)
        pending.append(trial)
        while len(pending) > rng.randint(0, 6):
            # Not in the order in which they began.
            end(study, pending.pop(rng.randrange(len(pending))), rng)
    return found


@pytest.mark.parametrize("pruner", list(PRUNERS))
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("active", [conditional, flat])
def test_it_proposes_what_optunas_tpe_proposes(
    active: Callable[..., list[str]], direction: str, pruner: str
) -> None:
    options = {"multivariate": True, "constant_liar": True, "group": active is conditional}

    def optunas(**given: Any) -> optuna.samplers.BaseSampler:
        return optuna.samplers.TPESampler(**options, **given)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in (1,):
            memory = TpeMemory()

            def ours(memory: TpeMemory = memory, **given: Any) -> optuna.samplers.BaseSampler:
                return FastTPESampler(memory, **options, **given)

            how: dict[str, Any] = {
                "seed": seed,
                "direction": direction,
                "pruner": pruner,
                "active": active,
            }
            assert proposals(ours, **how) == proposals(optunas, **how)


def test_a_memory_that_was_lost_changes_no_proposal() -> None:
    options = {"multivariate": True, "constant_liar": True, "group": True}
    how: dict[str, Any] = {
        "seed": 3,
        "direction": "minimize",
        "pruner": "none",
        "active": conditional,
    }
    kept = TpeMemory()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = proposals(lambda **given: FastTPESampler(kept, **options, **given), **how)
        lost = proposals(lambda **given: FastTPESampler(TpeMemory(), **options, **given), **how)
    assert whole == lost
