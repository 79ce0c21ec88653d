"""The contracts of every sampler and every pruner, as classes of tests to inherit.

    class TestMiddle(SamplerContract):
        name = "middle"

pytest finds the tests; they need nothing else from pytest. The package that provides the extension
must be installed (`pip install --editable .`), because its entry point is tested as well.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import TypeAdapter

from tuner.documents.explanations.explanation import Explanation
from tuner.documents.explanations.trial_explanation import TrialExplanation
from tuner.documents.proposals import Proposals
from tuner.documents.study import StudyStatus
from tuner.documents.trial import TrialDetail, TrialRow
from tuner.registry import PRUNERS, SAMPLERS
from tuner.space import SearchSpace
from tuner.spec import parse_spec
from tuner.testing.service import HeldAttempt, LocalService

Spec = dict[str, Any]

#: Every kind of parameter, one of them with a condition.
SPACE: Spec = {
    "train.rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
    "train.optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
    "train.momentum": {
        "type": "float",
        "low": 0.0,
        "high": 0.9,
        "when": {"train.optimizer": ["sgd"]},
    },
    "model.layers": {"type": "int", "low": 1, "high": 8},
    "model.units": {"type": "ordinal", "values": [16, 32, 64, 128]},
    "model.batch_norm": {"type": "bool"},
    "model.activation": {"type": "fixed", "value": "relu"},
}
_STEPS = 8
_BETWEEN_STARTS = 3


class _Contract:
    #: The name in a spec.
    name: ClassVar[str]
    #: Values for all of its options, as in a spec.
    options: ClassVar[Mapping[str, Any]] = {}
    #: `search_space` of the studies in these tests.
    space: ClassVar[Spec] = SPACE
    #: Number of trials of a study.
    trials: ClassVar[int] = 12

    def spec(self, **changes: Any) -> Spec:
        """Return the spec of a study that uses it; `changes` replace whole keys."""
        return {
            "project": "contract",
            "study": self.name.replace("_", "-"),
            "objective": "contract:train",
            "metric": {"name": "score", "goal": "maximize"},
            "search_space": self.space,
            "budget": {"trials": self.trials},
            "history": "none",
            **changes,
        }


class SamplerContract(_Contract):
    """The contract of a sampler. Subclass it and define at least the name."""

    #: Whether it can choose for several metrics.
    takes_several_metrics: ClassVar[bool] = True

    def sampler_spec(self, **changes: Any) -> Spec:
        """Return the spec of a study with the sampler and all its options."""
        return self.spec(sampler={"name": self.name, "seed": 7, **self.options}, **changes)

    def test_a_spec_names_it_and_gives_its_options(self) -> None:
        """Name, options and values are accepted in a spec."""
        found = parse_spec(self.sampler_spec()).sampler

        assert found.name == self.name
        assert found.options == dict(self.options)
        assert set(self.options) <= set(SAMPLERS.find(self.name).keys)

    def test_what_it_proposes_is_of_the_space(self) -> None:
        """Every trial has its active parameters, within their ranges, even if trials overlap."""
        space = SearchSpace.from_json({"parameters": self.space})
        with _services() as services:
            here = next(services)
            here.submit(self.sampler_spec())
            held = [_take(here, f"worker-{n}") for n in range(3)]
            found = [one.params for one in held]
            for one in held:
                one.complete(_score(one))
            while (more := here.claim()) is not None:
                found.append(more.params)
                more.complete(_score(more))

        assert len(found) == self.trials
        for params in found:
            assert not space.problems(params), params

    def test_every_proposal_comes_out_again_after_failures_and_a_restart(self) -> None:
        """Proposals depend on seed and results alone, not on the memory of the process."""
        with _services() as services:
            here = next(services)
            study = here.submit(self.sampler_spec())
            for end in ("complete", "fail", "prune", "oom"):
                _end(_take(here), end)
            here = next(services)
            here.run(_score)
            replayed = here.replay(study)
            status = here.status(study)
            _check_documents(here, study)

        assert status["state"] == "finished", status
        assert len(replayed) == self.trials
        for result in replayed:
            assert result.verdict == "same", result

    def test_several_metrics_are_served(self) -> None:
        """A study with two metrics runs to its end, if the sampler supports several."""
        if not self.takes_several_metrics:
            return
        metrics = [{"name": "score", "goal": "maximize"}, {"name": "size", "goal": "minimize"}]
        with _services() as services:
            here = next(services)
            study = here.submit(self.sampler_spec(metric=metrics))
            here.run(lambda one: (_score(one), float(one.trial)))

            assert here.status(study)["counts"]["complete"] == self.trials


class PrunerContract(_Contract):
    """The contract of a pruner. Subclass it and define at least the name."""

    space: ClassVar[Spec] = {"x": {"type": "float", "low": 0.0, "high": 1.0}}

    def pruner_spec(self, **changes: Any) -> Spec:
        """Return the spec of a study with the pruner and all its options."""
        pruner = {"name": self.name, **self.options}
        # The configurations and their order must not depend on anything else.
        start = [{"x": number * 0.618 % 1.0} for number in range(self.trials)]
        return self.spec(sampler="random", pruner=pruner, start_with=start, **changes)

    def test_a_spec_names_it_and_gives_its_options(self) -> None:
        """Name, options and values are accepted in a spec."""
        found = parse_spec(self.pruner_spec()).pruner

        assert found.name == self.name
        assert found.options == dict(self.options)
        assert set(self.options) <= set(PRUNERS.find(self.name).keys)

    def test_no_report_breaks_it(self) -> None:
        """Reports that are not finite, gaps between steps, and no reports at all are accepted."""
        with _services() as services:
            here = next(services)
            study = here.submit(self.pruner_spec())
            _take(here).complete(0.5)
            for value in (math.nan, math.inf, -math.inf, 1e300):
                one = _take(here)
                one.report(1, 0.5)
                one.report(5, value)
                one.complete(0.5)
            here.run(_train)
            status = here.status(study)
            _check_documents(here, study)

        assert status["state"] == "finished", status
        assert status["counts"]["fail"] == 0

    def test_a_restart_changes_no_decision(self) -> None:
        """The decisions are the same if the coordinator restarts every few trials."""
        with _services() as services:
            here = next(services)
            here.submit(self.pruner_spec())
            whole = [_decisions(_take(here)) for _ in range(self.trials)]
        with _services() as services:
            next(services).submit(self.pruner_spec())
            parts: list[tuple[dict[str, Any], int]] = []
            while len(parts) < self.trials:
                here = next(services)
                parts += [_decisions(_take(here)) for _ in range(_BETWEEN_STARTS)]

        assert parts == whole


@contextmanager
def _services() -> Iterator[Iterator[LocalService]]:
    """Provide services on one database: each one starts after the previous one has ended."""
    with tempfile.TemporaryDirectory(prefix="tuner-contract-") as folder:

        def follow() -> Generator[LocalService]:
            while True:
                with LocalService(Path(folder)) as here:
                    yield here

        services = follow()
        try:
            yield services
        finally:
            services.close()


def _check_documents(here: LocalService, study: str) -> None:
    """Check that the API's documents about a study have their published form."""
    verbs = here.verbs
    trials = verbs.trials(study)
    TypeAdapter(StudyStatus).validate_python(verbs.status(study))
    TypeAdapter(list[TrialRow]).validate_python(trials)
    TypeAdapter(Explanation).validate_python(verbs.explain(study))
    TypeAdapter(Proposals).validate_python(verbs.proposals(study))
    for trial in trials:
        number = trial["trial"]
        TypeAdapter(TrialDetail).validate_python(verbs.show(study, number))
        explained = verbs.explain_trial(study, number)
        TypeAdapter(TrialExplanation).validate_python(explained)


def _take(here: LocalService, worker: str = "worker-1") -> HeldAttempt:
    held = here.claim(worker=worker)
    assert held is not None, "the study gives out no attempt"
    return held


def _score(held: HeldAttempt) -> float:
    """Return a number that depends on the parameters only."""
    params = held.params
    if "x" in params:
        return float(params["x"])
    rate = params.get("train.rate", 0.1)
    units = params.get("model.units", 16)
    bonus = 0.1 if params.get("train.optimizer") == "adam" else 0.0
    return bonus + 1.0 - abs(math.log10(float(rate)) + 2.0) / 4.0 + float(units) / 1000.0


def _end(held: HeldAttempt, how: str) -> None:
    if how == "fail":
        held.fail("diverged", "the loss is not a number")
    elif how == "oom":
        held.fail("error", "it broke")
    elif how == "prune":
        held.report(1, 0.1)
        held.prune()
    else:
        held.complete(_score(held))


def _train(held: HeldAttempt) -> float | None:
    """Run a trial whose curve rises to its score; None: it is to be pruned."""
    score = _score(held)
    for step in range(1, _STEPS + 1):
        if held.report(step, score * step / _STEPS) == "prune":
            return None
    return score


def _decisions(held: HeldAttempt) -> tuple[dict[str, Any], int]:
    """Run a trial; return its parameters, and the step at which it was pruned, 0 if never."""
    score = _score(held)
    for step in range(1, _STEPS + 1):
        if held.report(step, score * step / _STEPS) == "prune":
            held.prune()
            return held.params, step
    held.complete(score)
    return held.params, 0
