"""Every proposal comes out of its record again, whatever happened in between."""

from __future__ import annotations

import importlib.util
import json
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.support import spaces
from tuner.proposals.artifact import Artifact
from tuner.proposals.frozen import STATES
from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.proposal import RETRY, Choice, Proposal
from tuner.proposals.proposing import Proposer, Question
from tuner.proposals.pruners.making import make_pruner
from tuner.proposals.recorded import RecordedTrial
from tuner.proposals.replaying import Replay
from tuner.registry import SAMPLERS
from tuner.spec import StudySpec, parse_spec
from tuner.trials.states import TrialState

TRIALS = 40
OPTIONS = {
    "tpe": {"startup_trials": 4},
    "gp": {"startup_trials": 4},
    "nsga2": {"population": 4},
}
HAS_TORCH = importlib.util.find_spec("torch") is not None
#: How a trial may end: state and cause.
ENDS: list[tuple[TrialState, str | None]] = [(TrialState.COMPLETE, None)] * 5
ENDS += [(TrialState.PRUNED, None)]
ENDS += [(TrialState.FAIL, cause) for cause in ("diverged", "error", "timeout")]
#: Time limits that the user sets in turn, seconds.
LIMITS = (None, 400.0, 900.0)


def spec_for(sampler: str, pruner: str, goals: int) -> StudySpec:
    is_finite = sampler == "grid"
    return parse_spec(
        {
            "project": "p",
            "study": "s",
            "objective": "objectives:train",
            "metric": [{"name": f"m{i}", "goal": "maximize"} for i in range(goals)],
            "search_space": spaces.finite(20) if is_finite else spaces.MIXED,
            "start_with": [] if is_finite else [{"train.rate": 0.25}, {"train.rate": 0.125}],
            "sampler": {"name": sampler, "seed": 11, **OPTIONS.get(sampler, {})},
            "pruner": {"name": pruner},
            "budget": {"trials": TRIALS},
            "history": "none",
        }
    )


class Life:
    """A study that is run like a coordinator's, with everything that may come between.

    Proposals become stale, or miss their moment; results come in another order than they were
    proposed in; trials are pruned, fail and are tried again; and it is killed now and then.
    """

    def __init__(self, spec: StudySpec, seed: int) -> None:
        self.spec = spec
        self.chance = random.Random(seed)
        self.rows: list[dict[str, Any]] = []
        self.told = 0
        self.prepared: Proposal | None = None
        self.failed: list[int] = []
        self.limit_s: float | None = None
        self.start()

    def start(self) -> None:
        """Rebuild everything that is not stored, as after a kill or another time limit."""
        spec = self.spec
        self.limit_s = self.chance.choice(LIMITS)
        self.prepared = None
        self.proposer = Proposer(
            spec.space,
            spec.sampler.name,
            11,
            spec.start_with,
            spec.sampler.options,
            limit_s=self.limit_s,
        )
        pruner = make_pruner(spec.pruner.name, spec.pruner.options)
        goals = [metric.goal for metric in spec.metrics]
        self.in_memory = InMemoryStudy(
            spec.name, goals, pruner, all_curves=spec.pruner.name != "none"
        )
        for row in self.rows:
            self.enter(row)
        for row in sorted(self.rows, key=lambda row: row["told"] or 0):
            if row["told"] is not None:
                self.tell(row)
        self.forget()

    def forget(self) -> None:
        """As the coordinator: what is tried again no longer speaks against its configuration."""
        again = [row["proposal"]["retry_of"] for row in self.rows]
        self.in_memory.forget(number for number in again if number is not None)

    def question(self) -> Question:
        return self.proposer.question(self.in_memory.snapshot())

    def step(self) -> None:
        what = self.chance.random()
        if what < 0.1:
            self.start()
        if self.prepared is None or what < 0.5:
            self.prepared = self.proposer.answer(self.question())
        if what < 0.7:
            self.finish_some()  # what is prepared becomes stale
        self.commit(self.next_proposal(what))
        if what > 0.3:
            self.finish_some()

    def next_proposal(self, what: float) -> Proposal:
        if self.failed and what > 0.8:
            number = self.failed.pop()
            choice = Choice(params=self.rows[number]["params"], sampler=RETRY, seed=0)
            snapshot = self.in_memory.snapshot()
            return Proposal(
                choice=choice,
                told=snapshot.told,
                trials=snapshot.number,
                pending=snapshot.pending,
                forgotten=snapshot.forgotten,
                retry_of=number,
            )
        prepared, self.prepared = self.prepared, None
        if prepared is None or what > 0.6 or not self.proposer.is_new(prepared):
            self.prepared = prepared
            return self.proposer.cheap(self.question()).prepared("missed")
        return prepared.prepared("stale")

    def commit(self, proposal: Proposal) -> None:
        row = {
            "number": len(self.rows),
            "params": proposal.params,
            "proposal": json.loads(json.dumps(proposal.to_json(), allow_nan=False)),
            "told": None,
            "state": None,
            "cause": None,
            "values": [],
            "curve": {},
            "took": None,
        }
        self.rows.append(row)
        self.enter(row)
        self.forget()

    def enter(self, row: dict[str, Any]) -> None:
        wrote = row["proposal"]["wrote"]
        self.in_memory.load_study_attrs(wrote["study"])
        self.in_memory.add(self.proposer.encode(row["params"]), wrote["trial"])
        is_retry = row["proposal"]["retry_of"] is not None
        self.proposer.remember(row["params"], is_retry=is_retry)

    def finish_some(self) -> None:
        running = [row for row in self.rows if row["told"] is None]
        for row in self.chance.sample(running, k=self.chance.randint(0, min(2, len(running)))):
            self.finish(row)

    def finish(self, row: dict[str, Any]) -> None:
        score = float(sum(map(ord, str(sorted(row["params"].items())))) % 997)
        # The first attempt went further than the one that counts, which began again.
        for step in range(1, 6):
            self.in_memory.report(row["number"], step, -score * step)
        row["curve"] = {step: score * step for step in range(1, 4)}
        row["state"], row["cause"] = self.chance.choice(ENDS)
        if row["state"] is TrialState.PRUNED and len(self.spec.metrics) > 1:
            row["state"] = TrialState.COMPLETE
        if row["state"] is not TrialState.FAIL:
            row["values"] = [score + i for i in range(len(self.spec.metrics))]
        elif row["cause"] == "error":
            self.failed.append(row["number"])
        else:
            row["curve"][3] = math.nan
        if row["cause"] in (None, "timeout"):
            row["took"] = {"seconds": 1.0 + score, "reporting": 0.5 * score}
        self.told += 1
        row["told"] = self.told
        self.tell(row)

    def tell(self, row: Mapping[str, Any]) -> None:
        state = STATES[row["state"]]
        self.in_memory.tell(
            row["number"],
            state,
            row["values"],
            row["curve"],
            cause=row["cause"],
            took=row["took"],
        )

    def records(self) -> list[RecordedTrial]:
        return [RecordedTrial(**row) for row in self.rows]


def lived(sampler: str, pruner: str = "none", goals: int = 1, seed: int = 3) -> Life:
    life = Life(spec_for(sampler, pruner, goals), seed)
    for _ in range(TRIALS):
        life.step()
    return life


def no_artifact(key: str) -> Artifact:
    raise AssertionError(key)


def replayed(life: Life, trials: Sequence[RecordedTrial]) -> list[tuple[str, str]]:
    replay = Replay(life.spec, 11, trials, no_artifact)
    results = [replay.trial(number) for number in range(len(trials))]
    return [(result.verdict, result.reason) for result in results]


@pytest.mark.parametrize("pruner", ["none", "hyperband"])
@pytest.mark.parametrize(
    "sampler", sorted(set(SAMPLERS.built_in) - (set() if HAS_TORCH else {"gp"}))
)
def test_every_proposal_comes_out_of_its_record_again(sampler: str, pruner: str) -> None:
    life = lived(sampler, pruner)

    assert replayed(life, life.records()) == [("same", "")] * TRIALS
    used = {row["proposal"]["preparation"] for row in life.rows}
    assert used == {"stale", "missed", None}, "all ways to propose were taken"


@pytest.mark.parametrize("sampler", ["bayesian", "tpe", "nsga2"])
def test_a_study_with_two_metrics_is_proposed_again(sampler: str) -> None:
    if sampler not in SAMPLERS:
        pytest.skip("no such sampler")
    life = lived(sampler, goals=2)

    assert replayed(life, life.records()) == [("same", "")] * TRIALS


def test_a_result_that_was_changed_afterwards_is_found_out() -> None:
    life = lived("tpe")
    first = next(row for row in life.rows if row["state"] is TrialState.COMPLETE)
    first["values"] = [1e6]

    verdicts = [verdict for verdict, _ in replayed(life, life.records())]
    assert "different" in verdicts


def test_a_record_of_an_earlier_release_is_unknown_and_not_different() -> None:
    life = lived("tpe")
    life.rows[0]["proposal"] = {"sampler": "tpe", "seed": 1, "told": 0, "pending": []}

    found = replayed(life, life.records())
    assert found[0] == ("unknown", "proposed by an earlier release, which recorded less")
    assert found[1:] == [("same", "")] * (TRIALS - 1)
