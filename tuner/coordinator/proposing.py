"""Choosing the parameters of the next trial: valid, allowed, and not tried before.

The declared space is walked with Optuna's public sampler methods, as `Trial.suggest_*` would do it,
but without writing: a proposal that is forbidden or repeats an earlier one is thrown away and asked
for again with another seed, which costs no trial number.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import _filter_study
from optuna.samplers import BaseSampler

from tuner.coordinator.mirror import Mirror
from tuner.samplers import SamplerContext, make_sampler
from tuner.space import Parameter, SearchSpace
from tuner.space.optuna import distribution, from_optuna, to_optuna

#: How often a sampler is asked again before random configurations are tried instead.
SAMPLER_TRIES = 4
RANDOM_TRIES = 200
#: A finite space up to this size is listed to find what is left of it.
LISTED = 20_000


class SpaceExhaustedError(Exception):
    """Every allowed configuration of a finite space was proposed already."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A configuration for the next trial, and what it was conditioned on."""

    params: dict[str, Any]
    #: The sampler that really chose, which may be a fallback.
    sampler: str
    seed: int
    #: Results that had entered, and trials that were pending, when it was chosen.
    told: int
    pending: tuple[int, ...]
    #: The failed trial whose configuration this one tries again.
    retry_of: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the record that is stored with the trial."""
        data = dataclasses.asdict(self)
        del data["params"]
        return data


def proposal_seed(study_seed: int, number: int, attempt: int = 0) -> int:
    """Return the seed of a proposal: a function of study, trial and try alone, below 2**32."""
    text = f"{study_seed}/{number}/{attempt}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


class Proposer:
    """Proposes for one study.

    Args:
        space: the declared space.
        sampler: name in `SAMPLERS`.
        study_seed: below 2**32.
        fixed: configurations to try first, in this order; parameters left out are sampled.
        options: the sampler's, as the spec gives them.
    """

    def __init__(
        self,
        space: SearchSpace,
        sampler: str,
        study_seed: int,
        fixed: Collection[Mapping[str, Any]] = (),
        options: Mapping[str, int] | None = None,
    ) -> None:
        self.space = space
        self.sampler = sampler
        self.study_seed = study_seed
        self._fixed = list(fixed)
        self._options = dict(options or {})
        self._memory: dict[str, Any] = {}
        self._seen: set[str] = set()
        #: How many were proposed that are no retries: whose turn it is of those to try first.
        self._turn = 0
        self._has_conditions = any(p.when for p in space.parameters)
        self._distributions = {
            p.name: distribution(p) for p in space.parameters if p.kind != "fixed"
        }

    def remember(self, params: Mapping[str, Any], *, is_retry: bool = False) -> None:
        """Note a configuration so that it is not proposed again.

        Args:
            params: the configuration.
            is_retry: the user had it tried again: it takes no turn of those to try first.
        """
        self._seen.add(self.space.key(params))
        self._turn += not is_retry

    def propose(self, mirror: Mirror) -> Proposal:
        """Return the next configuration as the study's sampler wants it.

        Raises:
            SpaceExhaustedError: nothing is left to propose.
        """
        with mirror.lock:
            number, told, pending = len(mirror), mirror.told, tuple(mirror.pending())
            start = self._start()
            for attempt in range(SAMPLER_TRIES):
                seed = proposal_seed(self.study_seed, number, attempt)
                params = self._ask(mirror, seed, start)
                if self._is_new(params):
                    return Proposal(
                        params=params, sampler=self.sampler, seed=seed, told=told, pending=pending
                    )
        return self._random(number, told, pending, start)

    def cheap(self, mirror: Mirror) -> Proposal:
        """Return a random new configuration at once: the choice when the sampler is slow."""
        return self._random(len(mirror), mirror.told, tuple(mirror.pending()), self._start())

    def is_new(self, proposal: Proposal) -> bool:
        """Return whether the proposal, made earlier, is not taken and may have the present turn."""
        return self._is_new(proposal.params) and self._start().items() <= proposal.params.items()

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

    def _is_new(self, params: Mapping[str, Any]) -> bool:
        return not self.space.is_forbidden(params) and self.space.key(params) not in self._seen

    def _ask(self, mirror: Mirror, seed: int, start: Mapping[str, Any]) -> dict[str, Any]:
        context = SamplerContext(
            study_seed=self.study_seed,
            seed=seed,
            has_conditions=self._has_conditions,
            options=self._options,
            memory=self._memory,
        )
        sampler = make_sampler(self.sampler, context)
        walk = _Walk(mirror, sampler, self._distributions, start)
        return self.space.walk(walk.choose)

    def _random(
        self, number: int, told: int, pending: tuple[int, ...], start: Mapping[str, Any]
    ) -> Proposal:
        seed = proposal_seed(self.study_seed, number, SAMPLER_TRIES)
        rng = random.Random(seed)  # noqa: S311 - not for security
        # One to start with that was tried already (filled by chance) must not end the study.
        for given in (start, {}) if start else ({},):
            for _ in range(RANDOM_TRIES):
                params = self.space.walk(self._random_choice(rng, given))
                if self._is_new(params):
                    return self._made("random", params, seed, told, pending)
        return self._made("listed", self._listed(rng), seed, told, pending)

    def _made(
        self, sampler: str, params: dict[str, Any], seed: int, told: int, pending: tuple[int, ...]
    ) -> Proposal:
        return Proposal(params=params, sampler=sampler, seed=seed, told=told, pending=pending)

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

    def _listed(self, rng: random.Random) -> dict[str, Any]:
        size = self.space.cardinality()
        if size is None or size > LISTED:
            raise SpaceExhaustedError(
                f"no allowed new configuration was found in {RANDOM_TRIES} random ones"
            )
        left = [c for c in self.space.configurations() if self._is_new(c)]
        if not left:
            raise SpaceExhaustedError(f"all {len(self._seen)} configurations were proposed")
        return rng.choice(left)


class _Walk:
    """One walk through the space with one sampler, as Optuna's `Trial` does it."""

    def __init__(
        self,
        mirror: Mirror,
        sampler: BaseSampler,
        distributions: Mapping[str, BaseDistribution],
        start: Mapping[str, Any],
    ) -> None:
        self._sampler = sampler
        self._distributions = distributions
        self._start = start
        study = mirror.fresh_study(sampler)
        sampler.before_trial(study, mirror.blank_trial())
        self._trial = mirror.blank_trial()
        # Hyperband shows a sampler only the trials of the same bracket.
        self._study = _filter_study(study, self._trial)
        self._space = sampler.infer_relative_search_space(self._study, self._trial)
        self._relative = sampler.sample_relative(self._study, self._trial, self._space)

    def choose(self, parameter: Parameter) -> Any:
        """Return the value of an active parameter."""
        dist = self._distributions[parameter.name]
        if parameter.name in self._start:
            value = to_optuna(parameter, self._start[parameter.name])
        else:
            value = self._sample(parameter.name, dist)
        self._trial.params[parameter.name] = value
        self._trial.distributions[parameter.name] = dist
        return from_optuna(parameter, value)

    def _sample(self, name: str, dist: BaseDistribution) -> Any:
        if name in self._relative:
            value = self._relative[name]
            if dist._contains(dist.to_internal_repr(value)):  # noqa: SLF001 - as Optuna's Trial
                return value
        if dist.single():
            return dist.to_external_repr(_single(dist))
        return self._sampler.sample_independent(self._study, self._trial, name, dist)


def _single(dist: BaseDistribution) -> float:
    """Return the internal representation of the only value of `dist`."""
    if isinstance(dist, optuna.distributions.CategoricalDistribution):
        return 0.0
    return float(dist.low)  # type: ignore[attr-defined]
