"""BoTorch's `MultiTaskGP` with a task for each study, as Ax' transfer generators use it.

The cost is cubic in the rows of all studies, so of each earlier one only its best rows and some of
the others are taken. Expected improvement is sought among random points and points near the best,
or among the free rows of a pool.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from botorch.acquisition.analytic import _log_ei_helper
from botorch.fit import fit_gpytorch_mll
from botorch.models import MultiTaskGP
from gpytorch.mlls import ExactMarginalLogLikelihood

from tests.benchmarks.sampler.methods.method import Method, Problem
from tests.benchmarks.sampler.tasks.task import Array, place, sample
from tuner.space import Parameter, Params, SearchSpace, Value

_LOOKS, _NEAR = 1000, 250
_ROWS = 20

Rows = tuple[torch.Tensor, torch.Tensor]


class MultiTaskMethod:
    """One model of all studies; their values are standardised each by itself."""

    insight: dict[str, Any] | None = None

    def __init__(self, problem: Problem) -> None:
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        torch.manual_seed(problem.seed)
        self._space = problem.space
        self._rng = np.random.default_rng(problem.seed)
        self._pool = None if problem.pool is None else list(problem.pool)
        self._sources = [
            _some(self._points(study.params), _standard(np.array(study.values)))
            for study in problem.history
        ]
        self._told: list[tuple[Params, float]] = []
        self._open: dict[int, Params] = {}
        self._asked = 0

    def ask(self) -> tuple[int, Params]:
        """Return the candidate of the highest expected improvement."""
        candidates = self._candidates()
        score = self._score(self._points(candidates))
        chosen = candidates[int(score.argmax())]
        if self._pool is not None:
            self._pool.remove(chosen)
        self._asked += 1
        self._open[self._asked] = chosen
        return self._asked, chosen

    def tell(self, ticket: int, value: float) -> None:
        """Keep the value."""
        self._told.append((self._open.pop(ticket), value))

    def _score(self, at: torch.Tensor) -> torch.Tensor:
        parts = [*self._sources, *self._target()]
        rows = torch.cat([_with_task(part, task) for task, (part, _) in enumerate(parts)])
        values = torch.cat([part for _, part in parts])[:, None]
        # Without a row of this study: what an average of the earlier ones says.
        outputs = [len(parts) - 1] if self._told else list(range(len(parts)))
        model = MultiTaskGP(rows, values, task_feature=-1, output_tasks=outputs[:1])
        mll = ExactMarginalLogLikelihood(model.likelihood, model)
        fit_gpytorch_mll(mll, optimizer_kwargs={"options": {"maxiter": 75}})
        with torch.no_grad():
            if not self._told:
                means = [_predict(model, at, task)[0] for task in outputs]
                return -torch.stack(means).mean(dim=0)
            mean, deviation = _predict(model, at, outputs[0])
            return deviation.log() + _log_ei_helper((parts[-1][1].min() - mean) / deviation)

    def _target(self) -> list[Rows]:
        if not self._told:
            return []
        values = np.array([value for _, value in self._told])
        return [(self._points([params for params, _ in self._told]), _standard(values))]

    def _candidates(self) -> list[Params]:
        if self._pool is not None:
            return self._pool
        found = [sample(self._space, self._rng) for _ in range(_LOOKS)]
        if self._told:
            best = min(self._told, key=lambda pair: pair[1])[0]
            found += [self._near(best) for _ in range(_NEAR)]
        return found

    def _near(self, params: Params) -> Params:
        """Return a configuration with three of ten values new, and the other numbers near."""
        other = sample(self._space, self._rng)

        def choose(item: Parameter) -> Value:
            if item.name not in params or self._rng.random() < 0.3:
                return other.get(item.name, item.at(0) if item.size else item.bounds[0])
            if item.kind not in ("float", "int"):
                return params[item.name]
            low, high = item.bounds
            at = np.clip(place(item, params[item.name]) + self._rng.normal(0, 0.05), 0, 1)
            new = low * (high / low) ** at if item.log else low + at * (high - low)
            inside = float(np.clip(new, low, high))
            return round(inside) if item.kind == "int" else inside

        return self._space.walk(choose)

    def _points(self, params: Any) -> torch.Tensor:
        return torch.tensor(_encode(self._space, list(params)), dtype=torch.float64)


def mtgp(problem: Problem) -> Method:
    """Return the multi-task model over the sources of the problem."""
    return MultiTaskMethod(problem)


def _predict(model: MultiTaskGP, at: torch.Tensor, task: int) -> Rows:
    posterior = model.posterior(_with_task(at, task))
    return posterior.mean.squeeze(-1), posterior.variance.squeeze(-1).clamp_min(1e-12).sqrt()


def _with_task(x: torch.Tensor, task: int) -> torch.Tensor:
    return torch.cat([x, torch.full((len(x), 1), float(task), dtype=x.dtype)], dim=1)


def _some(x: torch.Tensor, y: torch.Tensor) -> Rows:
    order = y.argsort()
    rest = order[_ROWS // 2 :]
    chosen = torch.cat([order[: _ROWS // 2], rest[:: max(1, 2 * len(rest) // _ROWS)]])
    return x[chosen], y[chosen]


def _standard(values: Array) -> torch.Tensor:
    spread = values.std() or 1.0
    return torch.tensor((values - values.mean()) / spread, dtype=torch.float64)


def _encode(space: SearchSpace, params: list[Params]) -> Array:
    """Return points of the unit cube: choices one-hot, inactive numbers in the middle."""
    return np.array(
        [[x for item in space.parameters for x in _axis(item, each)] for each in params],
        dtype=np.float64,
    )


def _axis(item: Parameter, params: Params) -> list[float]:
    if item.kind in ("categorical", "bool"):
        return [float(params.get(item.name) == value) for value in item.values]
    return [place(item, params[item.name]) if item.name in params else 0.5]
