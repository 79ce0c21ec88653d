"""One proposal of the sampler `bayesian`: a pure function of its arguments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tuner.samplers.bayesian.data import TrainingData, gather
from tuner.samplers.bayesian.drivers import driven_by
from tuner.samplers.bayesian.feasibility import feasibility, without_chance
from tuner.samplers.bayesian.insight import Insight, insight_of, objective_values
from tuner.samplers.bayesian.mixture import HistoryMixture, mix_models
from tuner.samplers.bayesian.observations import Observations
from tuner.samplers.bayesian.start import START, as_point, spread
from tuner.samplers.bayesian.turns import (
    has_history_a_say,
    has_stalled,
    looks_elsewhere,
    looks_over,
)
from tuner.space.encoding import Encoding
from tuner.surrogate.bounds import known_bounds
from tuner.surrogate.columns import Floats
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.search.acquisition import Acquisition, LogExpectedImprovement, Product
from tuner.surrogate.search.hypervolume import LogHypervolumeImprovement
from tuner.surrogate.search.searching import maximise
from tuner.surrogate.search.task import SearchTask, Taken

#: Minimum number of trials with a value for a model without history.
_LEAST = 2
#: Number of points that the search starts from: `_POOL` while the model has at most `_CHEAP` rows,
#: fewer in proportion with more of them, but never fewer than `_LEAST_POOL`.
_POOL = 1024
_CHEAP = 60
_LEAST_POOL = 512
#: In a study with history, the number of the trial that explores whatever history says.
_ELSEWHERE = 2
#: Number of best points whose neighbourhood the search covers.
_LOOKED_AROUND = 5
#: Factors on the standard deviations, taken in turn: the first alone with few running trials, and
#: one more for each `_CROWD` of them.
_BOLDNESS = (1.0, 3.0, 1.7, 6.0)
_CROWD = 16
#: The factor on turns without history, once a search that history led has stalled.
_BOLD = 3.0


@dataclass(frozen=True, eq=False)
class Request:
    """Everything that a proposal depends on."""

    encoding: Encoding
    seen: Observations
    #: The number of the trial that the proposal is for.
    number: int
    seed: int
    #: Columns with a fixed value, where they are active.
    pins: Mapping[int, float] = field(default_factory=dict)
    #: The prior of each objective, None where history has nothing on it.
    priors: tuple[Prior | None, ...] = ()
    #: A cache that lives from one proposal of a study to the next.
    memory: MutableMapping[str, Any] = field(default_factory=dict)
    #: -1 if the study's only objective is maximized: observations are negated.
    sign: float = 1.0
    #: Name of the first objective, empty if unknown.
    metric: str = ""

    @property
    def prior(self) -> Prior | None:
        """The first prior there is, in the order of the objectives."""
        return next((prior for prior in self.priors if prior is not None), None)


@dataclass(frozen=True, eq=False)
class ModelChoice:
    """A point (d,), and what chose it, as JSON values."""

    x: Floats
    insight: Insight


def choose(request: Request) -> ModelChoice:
    """Return the point of the next trial."""
    request = replace(request, seen=without_chance(request.encoding.columns, request.seen))
    data = gather(request.encoding.columns, request.seen)
    task = SearchTask(
        grounds=request.encoding,
        taken=Taken(
            request.encoding.columns,
            request.encoding.canonical(request.seen.taken),
            request.encoding.canonical(request.seen.pending),
        ),
        best=request.encoding.canonical(data.best_first()[:_LOOKED_AROUND]),
        seed=request.seed,
        pins=request.pins,
        # The cost of a prediction is proportional to the number of rows in the model.
        pool=max(_POOL * _CHEAP // max(len(data.x), _CHEAP), _LEAST_POOL),
    )
    if request.prior is not None and not len(data.z) and request.number % 2 == 0:
        found = _from_portfolio(task, request.prior)
        if found is not None:
            return ModelChoice(found, insight_of(request.prior, request.seen, "prior", found))
    if request.prior is not None and request.number == _ELSEWHERE and _is_alone(request):
        # One trial elsewhere shows how good the values at history's favourites are.
        return _start(request, task)
    early = request.number < START or len(data.z) < _LEAST
    if not len(data.z) or (request.prior is None and (early or data.is_flat)):
        return _start(request, task)
    elsewhere = spread(task, request.seen.taken) if _is_stuck(request) else None
    if elsewhere is not None:
        return ModelChoice(elsewhere, insight_of(request.prior, request.seen, "start", elsewhere))
    return _modelled(request, task, data)


def _is_stuck(request: Request) -> bool:
    """Whether a search without history has stalled, so that this trial should leave its region.

    Never if some failure is known: only the models avoid failing regions.
    """
    seen = request.seen
    if request.prior is not None or seen.y.shape[1] != 1 or seen.hurdles is not None:
        return False
    may_fail = seen.broken.any() or not seen.feasible.all() or seen.timely is not None
    return not may_fail and looks_elsewhere(request.number, seen.y[:, 0])


def _from_portfolio(task: SearchTask, prior: Prior) -> Floats | None:
    """Return the first point of history's portfolio that may still be proposed."""
    points = task.walk(prior.portfolio)
    points = points[task.open(points)]
    return as_point(points) if len(points) else None


def _start(request: Request, task: SearchTask) -> ModelChoice:
    found = spread(task, request.seen.taken)
    x = found if found is not None else _anything(task)
    return ModelChoice(x, insight_of(request.prior, request.seen, "start", x))


def _modelled(request: Request, task: SearchTask, data: TrainingData) -> ModelChoice:
    beliefs = _beliefs(request, data)
    is_misled = any(belief.is_misled for belief in beliefs)
    if looks_over(request.number, is_misled=is_misled):
        return _start(request, task)
    is_warm = request.prior is not None
    if is_warm and not has_history_a_say(request.number, is_misled=is_misled):
        is_warm = False
        beliefs = [belief.alone() for belief in beliefs]
    parts: list[Acquisition] = []
    if data.has_feasible:
        parts.append(_objective(request, task, data, beliefs))
    constraints = feasibility(request.encoding.columns, request.seen)
    parts += [part for part in (constraints, request.seen.hurdles) if part is not None]
    found = maximise(parts[0] if len(parts) == 1 else Product(parts), task)
    if found is None:
        x = _anything(task)
        return ModelChoice(x, insight_of(request.prior, request.seen, "start", x))
    x, value = found
    model = "warm+cold" if is_warm else "cold"
    insight = insight_of(request.prior, request.seen, model, x)
    insight["acquisition"] = value
    if len(beliefs) == 1:
        best = data.z[data.feasible, 0].min() if data.has_feasible else data.z.min()
        insight |= beliefs[0].insight(x) | {"best": float(best)}
        bounds = known_bounds(request.metric, request.sign * request.seen.finals[:, 0])
        insight |= objective_values(insight, data.scales[0], request.sign, bounds)
        insight |= _account(request, data, beliefs[0], insight, x)
    return ModelChoice(x, insight)


def _account(
    request: Request, data: TrainingData, belief: HistoryMixture, insight: Insight, x: Floats
) -> Insight:
    """Return what `explain` needs to give reasons: JSON values."""
    bounds = known_bounds(request.metric, request.sign * request.seen.finals[:, 0])

    def unit(z: Floats) -> Floats:
        return bounds.clip(request.sign * data.scales[0].value(z))

    alone = insight["cold_mean"]
    return {
        "objective_cold": None if alone is None else float(unit(np.array([alone]))[0]),
        "against": driven_by(belief.arms, data, request.encoding, x, unit),
    }


def _is_alone(request: Request) -> bool:
    """Whether no other trial is running: concurrent ones have explored already."""
    return not len(request.seen.pending)


def _beliefs(request: Request, data: TrainingData) -> list[HistoryMixture]:
    """Return the mixture for each objective; cached while no new result arrives."""
    priors = request.priors or (None,) * data.z.shape[1]
    digest = hashlib.sha256()
    for array in (data.x, data.z, data.counts, data.extra):
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    columns = request.encoding.columns
    of_priors = tuple(prior and prior.key for prior in priors)
    key = columns, of_priors, digest.digest()
    known: tuple[Any, list[HistoryMixture]] = request.memory.get("beliefs", (None, []))
    if known[0] == key:
        return known[1]
    beliefs = [
        mix_models(columns, data.x, z, data.counts, data.extra, prior)
        for z, prior in zip(data.z.T, priors, strict=True)
    ]
    request.memory["beliefs"] = key, beliefs
    return beliefs


def _objective(
    request: Request, task: SearchTask, data: TrainingData, beliefs: list[HistoryMixture]
) -> Acquisition:
    """Return how much a trial would improve on the feasible and the running ones."""
    pending = request.seen.pending
    good = np.concatenate([data.x[data.feasible], pending])
    if request.pins:
        # Fixed values may exclude the best point: the trial should be good among what is left.
        good = task.walk(good)
    if len(beliefs) == 1:
        return LogExpectedImprovement(beliefs[0].believing(pending).arms, good, _boldness(request))
    values = np.stack([belief.mean(good) for belief in beliefs], axis=1)
    # One model for each objective: the most trusted one stands for the mixture.
    models = [max(belief.believing(pending).arms, key=lambda arm: arm[0])[1] for belief in beliefs]
    return LogHypervolumeImprovement(models, values)


def _boldness(request: Request) -> float:
    """Return the factor on the standard deviations: how far the proposal looks beyond the known.

    With very many workers, all would be sent to the one best region: each assumes that the others
    will find there what the model predicts, and nothing is learned until they return. So with many
    running trials they take turns at looking further. Up to 16 workers the model's assumptions are
    enough to keep them apart.
    """
    is_cold_turn = request.prior is not None and not has_history_a_say(
        request.number, is_misled=False
    )
    if is_cold_turn and has_stalled(request.number, request.seen.y[:, 0]):
        # Where history led and the search has stalled, the study's own results look elsewhere.
        return _BOLD
    turns = min(1 + len(request.seen.pending) // _CROWD, len(_BOLDNESS))
    return _BOLDNESS[request.number % turns]


def _anything(task: SearchTask) -> Floats:
    """Return an allowed point even if it was tried before: nothing new was found."""
    found = task.walk(task.grounds.sample(64, task.seed))
    found = found[task.grounds.allowed(found)]
    if len(found):
        return as_point(found)
    return as_point(task.walk(np.full((1, len(task.grounds.columns)), np.nan)))
