"""Optuna's TPE, caching what does not change from one proposal to the next.

A new sampler is made for every proposal, and Optuna's TPE then reads every trial again: 85 ms at 4
000 trials, nearly all of it in Python. Trials that have ended do not change, so their parameters,
values and feasibility are kept as arrays beside the study. The proposals are identical to the last
bit (`tests/contracts/test_fast_tpe.py` compares them).

Several of the overridden methods are private to Optuna, which is pinned to a minor release.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers._tpe.sampler import _split_trials, default_gamma
from optuna.search_space.group_decomposed import _SearchSpaceGroup
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_OBSERVED = (TrialState.COMPLETE, TrialState.PRUNED)


class TpeMemory:
    """What is known about a study's ended trials, by trial number. Mutable: it grows with them.

    It is derived from the trials alone and may be lost at any time.
    """

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._rows: Floats = np.full((0, 0), np.nan)
        self._known: npt.NDArray[np.bool_] = np.full(0, fill_value=False)
        #: The value of each complete and feasible trial, else NaN.
        self._values: Floats = np.full(0, np.nan)
        #: For each trial, the index of its search space (parameters with ranges) among the distinct
        #: ones.
        self._kinds: Numbers = np.full(0, -1)
        self._kind_of: dict[frozenset[tuple[str, BaseDistribution]], int] = {}

    def learn(self, ended: Sequence[FrozenTrial]) -> Numbers:
        """Add the ended trials that are not known yet; return the numbers of all."""
        numbers = numbers_of(ended)
        # The trials of one bracket have gaps in their numbers, so the largest number decides.
        missing = int(numbers.max(initial=-1)) + 1 - len(self._known)
        if missing > 0:
            self._grow(missing)
        for index in np.flatnonzero(~self._known[numbers]):
            self._add(ended[int(index)])
        return numbers

    def spaces(self, ended: Sequence[FrozenTrial]) -> list[dict[str, BaseDistribution]]:
        """Return the distinct search spaces of ended trials, in the order of their trials.

        To find what is common to all trials, or what is active together, Optuna goes through every
        trial; one whose search space occurred before changes nothing.
        """
        numbers = self.learn(ended)
        _, first = np.unique(self._kinds[numbers], return_index=True)
        return [ended[int(index)].distributions for index in np.sort(first)]

    def values(self, numbers: Numbers) -> Floats:
        """Return the value of each complete and feasible trial, else NaN."""
        return self._values[numbers]

    def observations(self, numbers: Numbers, names: Sequence[str]) -> Floats:
        """Return the internal representation of the parameters of ended trials.

        Returns:
            Array of shape (trials, names); NaN where a parameter was inactive.
        """
        if not self._columns.keys() >= set(names):
            return np.full((len(numbers), len(names)), np.nan)
        columns = np.array([self._columns[name] for name in names], dtype=np.int64)
        return self._rows[np.ix_(numbers, columns)]

    def _grow(self, missing: int) -> None:
        # Doubled, so that growing takes amortized constant time.
        spare = max(missing, len(self._known))
        self._known = np.append(self._known, np.full(spare, fill_value=False))
        self._values = np.append(self._values, np.full(spare, np.nan))
        self._kinds = np.append(self._kinds, np.full(spare, -1))
        empty = np.full((spare, self._rows.shape[1]), np.nan)
        self._rows = np.concatenate([self._rows, empty])

    def _add(self, trial: FrozenTrial) -> None:
        for name in trial.params:
            if name not in self._columns:
                self._columns[name] = len(self._columns)
                column = np.full((len(self._rows), 1), np.nan)
                self._rows = np.concatenate([self._rows, column], axis=1)
        self._rows[trial.number] = internal(trial.params, trial.distributions, self._columns)
        kind = frozenset(trial.distributions.items())
        self._kinds[trial.number] = self._kind_of.setdefault(kind, len(self._kind_of))
        if trial.state == TrialState.COMPLETE and is_feasible(trial):
            self._values[trial.number] = trial.values[0]
        self._known[trial.number] = True


def internal(
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    columns: Sequence[str] | dict[str, int],
) -> list[float]:
    """Return the internal representation of parameters, NaN for absent ones."""
    return [
        distributions[name].to_internal_repr(params[name]) if name in params else np.nan
        for name in columns
    ]


def numbers_of(trials: Sequence[FrozenTrial]) -> Numbers:
    """Return the numbers of trials."""
    return np.array([trial.number for trial in trials], dtype=np.int64)


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether an ended trial violates no constraint."""
    return not any(value > 0 for value in trial.constraints.values())


def _common(spaces: Sequence[dict[str, BaseDistribution]]) -> dict[str, BaseDistribution]:
    """Return the parameters that are identical in all spaces."""
    first, *others = spaces or ({},)
    return {
        name: distribution
        for name, distribution in first.items()
        if all(other.get(name) == distribution for other in others)
    }


class FastTPESampler(optuna.samplers.TPESampler):
    """Optuna's `TPESampler`, made for one proposal of the study that `memory` belongs to."""

    def __init__(self, memory: TpeMemory, **options: Any) -> None:
        super().__init__(**options)
        self._memory = memory
        #: Complete and pruned trials, and their split, as of the current call.
        self._ended: list[FrozenTrial] = []
        self._parts: tuple[list[FrozenTrial], Numbers, Numbers] | None = None

    @override
    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that are sampled together; see Optuna."""
        if not self._is_multivariate(study):
            return super().infer_relative_search_space(study, trial)
        spaces = self._memory.spaces(study.get_trials(deepcopy=False, states=_OBSERVED))
        if self._group:
            self._search_space_group = _SearchSpaceGroup()
            for space in spaces:
                self._search_space_group.add_distributions(space)
            parts = self._search_space_group.search_spaces
        else:
            parts = [_common(spaces)]
        return {
            name: distribution
            for part in parts
            for name, distribution in sorted(part.items())
            if not distribution.single()
        }

    @override
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return values of the parameters that are sampled together; see Optuna."""
        self._look(study)
        return super().sample_relative(study, trial, search_space)

    @override
    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value of one parameter; see Optuna."""
        self._look(study)
        return super().sample_independent(study, trial, param_name, param_distribution)

    def _look(self, study: Study) -> None:
        """Read the study's current state, once for all parameter groups of a call."""
        self._ended = study.get_trials(deepcopy=False, states=_OBSERVED)
        self._parts = None

    @override
    def _sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space or len(self._ended) < self._n_startup_trials:
            return {}
        return self._sample(study, trial, search_space)

    @override
    def _sample(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if len(study.directions) > 1 or not self._constant_liar:
            return super()._sample(study, trial, search_space)
        if self._parts is None:
            self._parts = self._split(study, trial)
        running, below, above = self._parts
        names = list(search_space)
        good = self._memory.observations(below, names)
        bad = self._memory.observations(above, names)
        if running:
            bad = self._with_running(study, bad, above, running, search_space)
        below_model = self._estimator(good, search_space)
        samples = below_model.sample(self._rng.rng, self._n_ei_candidates)
        gain = self._compute_acquisition_func(
            samples, below_model, self._estimator(bad, search_space)
        )
        chosen = self._compare(samples, gain)
        return {name: dist.to_external_repr(chosen[name]) for name, dist in search_space.items()}

    def _split(
        self, study: Study, trial: FrozenTrial
    ) -> tuple[list[FrozenTrial], Numbers, Numbers]:
        """Return the running trials, and the numbers of the good and of the other ended ones."""
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        running = [t for t in running if t.number != trial.number]
        ended = self._ended
        numbers = self._memory.learn(ended)
        values = self._memory.values(numbers)
        count = (self._gamma or default_gamma)(len(ended))
        if np.count_nonzero(~np.isnan(values)) < count:
            # Pruned or infeasible trials are needed among the good ones: so few that Optuna's split
            # is cheap.
            good, other = _split_trials(study, ended, count)
            return running, numbers_of(good), numbers_of(other)
        # NaN sorts last in either direction; equal values keep the order of their trials.
        keys = values if study.direction == StudyDirection.MINIMIZE else -values
        is_good = np.zeros(len(numbers), dtype=bool)
        is_good[np.argsort(keys, kind="stable")[:count]] = True
        return running, numbers[is_good], numbers[~is_good]

    def _with_running(
        self,
        study: Study,
        rows: Floats,
        numbers: Numbers,
        running: Sequence[FrozenTrial],
        search_space: dict[str, BaseDistribution],
    ) -> Floats:
        """Insert the running trials among the others in the order of their numbers."""
        names = list(search_space)
        added = [internal(self._get_params(t, study), search_space, names) for t in running]
        order = np.argsort(np.concatenate([numbers, numbers_of(running)]), kind="stable")
        return np.concatenate([rows, np.array(added).reshape(len(added), len(names))])[order]

    def _estimator(self, rows: Floats, search_space: dict[str, BaseDistribution]) -> Any:
        whole = rows[~np.isnan(rows).any(axis=1)]
        observations = {name: whole[:, i] for i, name in enumerate(search_space)}
        return self._parzen_estimator_cls(
            observations, search_space, self._parzen_estimator_parameters
        )
