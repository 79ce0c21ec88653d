"""The same trials, as an Optuna study and as a study of the service, teach exactly the same."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from tests.support.history.database import HistoryDatabase, history_database, make_spec
from tuner.history.choosing.finding import find
from tuner.history.matching.priors import make_priors
from tuner.history.store.database import HistoryStore
from tuner.proposals.artifact import Artifact
from tuner.samplers.bayesian.history import priors_of, sources_of
from tuner.samplers.bayesian.space.adapter import declared
from tuner.space.encoding import Encoding
from tuner.space.optuna import distribution, to_optuna
from tuner.spec import StudySpec, parse_spec
from tuner.storage import tables
from tuner.surrogate.history.source import FINAL, Source
from tuner.trials.causes import CAUSE_ATTR

SPACE: dict[str, Any] = {
    "rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
    "layers": {"type": "int", "low": 1, "high": 6},
    "batch": {"type": "ordinal", "values": [16, 32, 64]},
    "kind": {"type": "categorical", "values": ["sgd", "adam"]},
    "momentum": {"type": "float", "low": 0.0, "high": 1.0, "when": {"kind": "sgd"}},
}
#: More rungs than are told apart.
RUNGS = (1, 2, 3, 5, 8, 13)
EPOCHS = 20
PRUNER = {"name": "median"}
MAXIMIZE = StudyDirection.MAXIMIZE


class Ran(NamedTuple):
    """A trial that ended, whoever keeps it."""

    params: dict[str, Any]
    state: str
    curve: dict[int, float]
    value: float | None = None
    cause: str | None = None


def score(params: dict[str, Any]) -> float:
    """Best at rate 0.01, three layers and adam."""
    rate = (math.log10(params["rate"]) + 2) ** 2
    return -rate - 0.1 * abs(params["layers"] - 3) - float(params["kind"] == "sgd")


def trained(params: dict[str, Any], epochs: int) -> dict[int, float]:
    return {step: score(params) - 1.0 / step for step in range(1, epochs + 1)}


def drawn(count: int) -> Iterator[dict[str, Any]]:
    """Yield configurations of `SPACE`."""
    rng = np.random.default_rng(4)
    for _ in range(count):
        params = {
            "rate": float(10 ** rng.uniform(-4, 0)),
            "layers": int(rng.integers(1, 7)),
            "batch": int(rng.choice([16, 32, 64])),
            "kind": str(rng.choice(["sgd", "adam"])),
        }
        yield params | ({"momentum": float(rng.uniform())} if params["kind"] == "sgd" else {})


def make_trials() -> list[Ran]:
    """Return trials with every end that there is."""
    found: list[Ran] = []
    causes = ("oom", "timeout", "diverged", "lost", "preempted", "error", "cancelled")
    for number, params in enumerate(drawn(70)):
        kind = number % 10
        if kind < 5:
            found.append(Ran(params, "complete", trained(params, EPOCHS), score(params)))
        elif kind < 8:
            found.append(Ran(params, "pruned", trained(params, RUNGS[number % len(RUNGS)])))
        elif kind == 8:
            found.append(Ran(params, "fail", trained(params, 2), cause=causes[number // 10]))
        else:
            found.append(Ran(params, "pruned", {}))
    return found


def frozen(spec: StudySpec, ran: Ran) -> FrozenTrial:
    return create_trial(
        state=TrialState[ran.state.upper()],
        value=ran.value,
        params={name: to_optuna(spec.space[name], value) for name, value in ran.params.items()},
        distributions={name: distribution(spec.space[name]) for name in ran.params},
        intermediate_values=ran.curve,
        system_attrs={} if ran.cause is None else {CAUSE_ATTR: ran.cause},
    )


def add_study(base: HistoryDatabase, trials: list[Ran]) -> None:
    """Store the trials as those of a study of the service."""
    rows = [
        {
            "state": ran.state,
            "cause": ran.cause,
            "seed": 0,
            "proposal_json": "{}",
            "created": 0.0,
            "started": float(number),
            "finished": 100.0 + number,
            "params_json": json.dumps(ran.params),
            "values_json": None if ran.value is None else json.dumps([ran.value]),
        }
        for number, ran in enumerate(trials)
    ]
    base.add_study("old", rows, search_space=SPACE)
    reports = [
        {"study_id": 1, "number": number, "no": 0, "step": step, "value": value, "time": 0.0}
        for number, ran in enumerate(trials)
        for step, value in ran.curve.items()
    ]
    with base.storage.begin() as connection:
        connection.execute(tables.reports.insert(), reports)


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    return parse_spec(make_spec("new", search_space=SPACE, pruner=PRUNER))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, spec: StudySpec) -> tuple[Source, ...]:
    """The sources that the service finds."""
    with history_database(tmp_path_factory.mktemp("road")) as base:
        add_study(base, make_trials())
        return find(HistoryStore(base.storage), spec).sources


@pytest.fixture(scope="module")
def earlier(spec: StudySpec) -> optuna.Study:
    """The same trials as Optuna keeps them."""
    study = optuna.create_study(study_name="vision/old", direction="maximize")
    study.add_trials([frozen(spec, ran) for ran in make_trials()])
    return study


def test_the_same_trials_are_the_same_source(
    spec: StudySpec, served: tuple[Source, ...], earlier: optuna.Study
) -> None:
    (theirs,) = served
    (ours,) = sources_of([earlier], declared(spec.space), [MAXIMIZE], 0)

    assert theirs.name == ours.name
    assert theirs.weight == ours.weight
    assert theirs.foretold is not None
    for name in ("x", "y", "rung", "foretold"):
        np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name), err_msg=name)


def test_the_trials_of_this_test_end_in_every_way_that_counts(served: tuple[Source, ...]) -> None:
    (source,) = served

    assert int(np.isnan(source.y).sum()) == 3, "oom, timeout, diverged"
    assert len(set(source.rung.tolist()) - {FINAL}) == 4
    assert int((source.rung == FINAL).sum()) == 35 + 3
    assert np.isnan(source.x[:, -1]).any(), "momentum is not always there"


def test_the_same_trials_make_the_same_prior(
    spec: StudySpec, served: tuple[Source, ...], earlier: optuna.Study
) -> None:
    theirs = make_priors(Encoding(spec.space), [served], {})
    ours = priors_of([earlier], declared(spec.space), [MAXIMIZE], {})

    assert theirs[0] is not None
    assert Artifact(theirs).to_bytes() == Artifact(ours).to_bytes()


def test_a_script_that_draws_an_ordinal_as_a_number_is_read_by_its_values(
    spec: StudySpec, served: tuple[Source, ...], earlier: optuna.Study
) -> None:
    trials = earlier.get_trials()
    for trial in trials:
        # As a script would have it that knows no ordinals.
        trial.params["batch"] = [16, 32, 64][trial.params["batch"]]
        values = optuna.distributions.IntDistribution(16, 64)
        trial.distributions["batch"] = values

    (ours,) = sources_of([trials], declared(spec.space), [MAXIMIZE], 0)

    np.testing.assert_array_equal(ours.x, served[0].x)
