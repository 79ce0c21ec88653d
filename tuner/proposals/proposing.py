"""Chooses the parameters of the next trial: valid, allowed, and not tried before.

The declared space is walked with Optuna's public sampler methods, as by `Trial.suggest_*`, but
without writing: a proposal that is forbidden or repeats an earlier one is discarded and requested
again with another seed, which uses up no trial number. Its inputs form a `Question`: the same
question has the same answer, in any process.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from tuner.proposals.artifact import Artifact
from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.proposal import Choice, Proposal
from tuner.proposals.space_walk import SpaceWalk
from tuner.proposals.study_snapshot import SnapshotStorage, StudySnapshot
from tuner.samplers import SamplerContext, make_sampler
from tuner.space import Parameter, SearchSpace
from tuner.space.optuna import distribution, from_optuna, to_optuna

#: Number of times a sampler is asked before random configurations are tried instead.
SAMPLER_TRIES = 4
RANDOM_TRIES = 200
#: Maximum size of a finite space that is enumerated to find what is left of it.
LISTED = 20_000


class SpaceExhaustedError(Exception):
    """Every allowed configuration of a finite space has been proposed already."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Everything that a proposal depends on except the study's own space, sampler and seed."""

    snapshot: StudySnapshot
    #: Values that the trial must have: the configuration to try first whose turn it is.
    start: Mapping[str, Any]
    #: What the sampler knows from the history.
    artifact: Artifact | None = None
    #: Maximum seconds that a trial may take.
    limit_s: float | None = None


def proposal_seed(study_seed: int, number: int, attempt: int = 0) -> int:
    """Return the seed of a proposal: a function of study, trial and try only, below 2**32."""
    text = f"{study_seed}/{number}/{attempt}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


class Proposer:
    """Proposes for one study.

    Args:
        space: the declared space.
        sampler: name in `SAMPLERS`.
        study_seed: below 2**32.
        fixed: configurations to try first, in this order; parameters left out are sampled.
        options: the sampler's options in the spec.
        metric: name of the only metric; empty if there are several.
        limit_s: maximum seconds that a trial may take; None: no limit.
        is_growing: whether trials may lack parameters that were found later.
        packages: that provide the study's sampler or pruner, if Tuner does not.

    Attributes:
        artifact: what the sampler knows from the history; may be set at any time, and applies to
            later questions.
    """

    def __init__(
        self,
        space: SearchSpace,
        sampler: str,
        study_seed: int,
        fixed: Collection[Mapping[str, Any]] = (),
        options: Mapping[str, int] | None = None,
        metric: str = "",
        limit_s: float | None = None,
        *,
        is_growing: bool = False,
        packages: tuple[str, ...] = (),
    ) -> None:
        self.artifact: Artifact | None = None
        self.space = space
        self.sampler = sampler
        self.study_seed = study_seed
        self._fixed = list(fixed)
        self._options = dict(options or {})
        self._metric = metric
        self._limit_s = limit_s
        self._packages = packages
        self._memory: dict[str, Any] = {}
        #: The configurations proposed, with the number of the first trial of each.
        self._seen: dict[str, int] = {}
        self._count = 0
        #: Number of proposals that are not retries: determines whose turn it is of those to try
        #: first.
        self._turn = 0
        self._has_conditions = is_growing or any(p.when for p in space.parameters)
        self._distributions = {
            p.name: distribution(p) for p in space.parameters if p.kind != "fixed"
        }

    @property
    def artifact_key(self) -> str | None:
        """The key of what the sampler presently knows from the history."""
        return None if self.artifact is None else self.artifact.key

    def remember(self, params: Mapping[str, Any], *, is_retry: bool = False) -> None:
        """Record the configuration of the next trial, so that it is not proposed again.

        Args:
            is_retry: the user has it tried again: it does not use up a turn of those to try first.
        """
        self._seen.setdefault(self.space.key(params), self._count)
        self._count += 1
        self._turn += not is_retry

    def question(self, snapshot: StudySnapshot) -> Question:
        """Return the question to be answered now.

        Args:
            snapshot: of all trials recorded.
        """
        return Question(
            snapshot=snapshot, start=self._start(), artifact=self.artifact, limit_s=self._limit_s
        )

    def propose(self, in_memory: InMemoryStudy) -> Proposal:
        """Return the next configuration chosen by the study's sampler; see `answer`."""
        return self.answer(self.question(in_memory.snapshot()))

    def answer(self, question: Question) -> Proposal:
        """Return the configuration chosen by the study's sampler. May run in another thread.

        Raises:
            SpaceExhaustedError: nothing is left to propose.
        """
        storage = SnapshotStorage(question.snapshot)
        number = question.snapshot.number
        for attempt in range(SAMPLER_TRIES):
            seed = proposal_seed(self.study_seed, number, attempt)
            params, insight = self._ask(storage, question, seed)
            if self._is_new(params, number):
                choice = Choice(params=params, sampler=self.sampler, seed=seed, attempt=attempt)
                return self._made(question, choice, storage, insight)
        return self._made(question, self._random(question), storage, None)

    def cheap(self, question: Question) -> Proposal:
        """Return a random new configuration immediately: used if the sampler is slow.

        Raises:
            SpaceExhaustedError: nothing is left to propose.
        """
        return self._made(question, self._random(question), None, None)

    def is_new(self, proposal: Proposal) -> bool:
        """Return whether a proposal made earlier is still free and may have the present turn."""
        is_free = self._is_new(proposal.params, self._count)
        return is_free and self._start().items() <= proposal.params.items()

    def encode(self, params: Mapping[str, Any]) -> dict[str, tuple[float, BaseDistribution]]:
        """Return Optuna's internal representation and distribution of each tuned parameter."""
        encoded = {}
        for name, value in params.items():
            dist = self._distributions.get(name)
            if dist is not None:
                external = to_optuna(self.space[name], value)
                encoded[name] = (float(dist.to_internal_repr(external)), dist)
        return encoded

    def decode(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return Optuna's external values and the distributions of each tuned parameter."""
        chosen = {n: v for n, v in params.items() if n in self._distributions}
        return (
            {name: to_optuna(self.space[name], value) for name, value in chosen.items()},
            {name: self._distributions[name] for name in chosen},
        )

    def _start(self) -> Mapping[str, Any]:
        return self._fixed[self._turn] if self._turn < len(self._fixed) else {}

    def _is_new(self, params: Mapping[str, Any], number: int) -> bool:
        """Whether no trial below `number` had these parameters, and nothing forbids them."""
        if self.space.is_forbidden(params):
            return False
        return self._seen.get(self.space.key(params), number) >= number

    def _made(
        self, question: Question, choice: Choice, storage: SnapshotStorage | None, insight: Any
    ) -> Proposal:
        snapshot, artifact = question.snapshot, question.artifact
        return Proposal(
            choice=choice,
            told=snapshot.told,
            trials=snapshot.number,
            pending=snapshot.pending,
            forgotten=snapshot.forgotten,
            artifact=None if artifact is None else artifact.key,
            limit_s=question.limit_s,
            all_curves=snapshot.all_curves,
            brackets=snapshot.brackets,
            study_attrs=storage.study_attrs if storage is not None else {},
            trial_attrs=storage.trial_attrs if storage is not None else {},
            insight=insight,
            packages=self._packages,
        )

    def _ask(
        self, storage: SnapshotStorage, question: Question, seed: int
    ) -> tuple[dict[str, Any], Any]:
        """Return a configuration, and the sampler's explanation of it."""
        context = SamplerContext(
            study_seed=self.study_seed,
            seed=seed,
            space=self.space,
            has_conditions=self._has_conditions,
            metric=self._metric,
            prior=None if question.artifact is None else question.artifact.prior,
            limit_s=question.limit_s,
            options=self._options,
            memory=self._memory,
        )
        sampler = make_sampler(self.sampler, context)
        start, _ = self.decode(question.start)
        walk = SpaceWalk(storage, sampler, self._distributions, start)
        params = self.space.walk(walk.choose)
        return params, getattr(sampler, "insight", None)

    def _random(self, question: Question) -> Choice:
        number = question.snapshot.number
        seed = proposal_seed(self.study_seed, number, SAMPLER_TRIES)
        rng = random.Random(seed)  # noqa: S311 - not for security  # nosec B311  # no secret
        # A configuration to try first that was already tried (by chance) must not end the study.
        for given in (question.start, {}) if question.start else ({},):
            for _ in range(RANDOM_TRIES):
                params = self.space.walk(self._random_choice(rng, given))
                if self._is_new(params, number):
                    return Choice(params=params, sampler="random", seed=seed, attempt=SAMPLER_TRIES)
        listed = self._listed(rng, number)
        return Choice(params=listed, sampler="listed", seed=seed, attempt=SAMPLER_TRIES)

    def _random_choice(
        self, rng: random.Random, start: Mapping[str, Any]
    ) -> Callable[[Parameter], Any]:
        sampler = optuna.samplers.RandomSampler(seed=rng.getrandbits(32))

        def choose(parameter: Parameter) -> Any:
            if parameter.name in start:
                return start[parameter.name]
            dist = self._distributions[parameter.name]
            value = sampler.sample_independent(None, None, parameter.name, dist)  # type: ignore[arg-type]
            return from_optuna(parameter, value)

        return choose

    def _listed(self, rng: random.Random, number: int) -> dict[str, Any]:
        size = self.space.cardinality()
        if size is None or size > LISTED:
            raise SpaceExhaustedError(
                f"no allowed new configuration was found in {RANDOM_TRIES} random ones"
            )
        left = [c for c in self.space.configurations() if self._is_new(c, number)]
        if not left:
            raise SpaceExhaustedError(f"all {len(self._seen)} configurations were proposed")
        return rng.choice(left)
