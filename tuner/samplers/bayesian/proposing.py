"""One proposal of the sampler `bayesian`: a function of what it is given, and of nothing else."""

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

#: Trials with a value that a model without history needs at least.
_LEAST = 2
#: Points that the search begins with, up to so many trials; and at least, with more of them.
_POOL = 1024
_CHEAP = 60
_LEAST_POOL = 512
#: The trial of a study with history that looks elsewhere whatever history says.
_ELSEWHERE = 2
#: Points that the search looks around.
_LOOKED_AROUND = 5
#: Factors on the deviations, taken in turn; one more of them for each so many running trials.
_BOLDNESS = (1.0, 3.0, 1.7, 6.0)
_CROWD = 16
#: The factor where a search that history led has stalled.
_BOLD = 3.0


@dataclass(frozen=True, eq=False)
class Request:
    """What a proposal is a function of."""

    encoding: Encoding
    seen: Observations
    #: Of the trial that the proposal is for.
    number: int
    seed: int
    #: Columns whose value is given, where they are active.
    pins: Mapping[int, float] = field(default_factory=dict)
    #: What history says of each objective, None where it says nothing.
    priors: tuple[Prior | None, ...] = ()
    #: What may be kept from one proposal of a study to the next.
    memory: MutableMapping[str, Any] = field(default_factory=dict)
    #: -1 where a study's only objective is maximised: observations are turned round.
    sign: float = 1.0
    #: Name of the first objective, empty where it is not known.
    metric: str = ""

    @property
    def prior(self) -> Prior | None:
        """What history says of the first objective that it says anything of."""
        return next((prior for prior in self.priors if prior is not None), None)


@dataclass(frozen=True, eq=False)
class ModelChoice:
    """A point (d,), and what made it be chosen, as JSON values."""

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
        # The models' answers cost in proportion to the trials that they know.
        pool=max(_POOL * _CHEAP // max(len(data.x), _CHEAP), _LEAST_POOL),
    )
    if request.prior is not None and not len(data.z) and request.number % 2 == 0:
        found = _from_portfolio(task, request.prior)
        if found is not None:
            return ModelChoice(found, insight_of(request.prior, request.seen, "prior", found))
    if request.prior is not None and request.number == _ELSEWHERE and _is_alone(request):
        # One trial elsewhere shows what the values of history's favourites are worth.
        return _start(request, task)
    early = request.number < START or len(data.z) < _LEAST
    if not len(data.z) or (request.prior is None and (early or data.is_flat)):
        return _start(request, task)
    elsewhere = spread(task, request.seen.taken) if _is_stuck(request) else None
    if elsewhere is not None:
        return ModelChoice(elsewhere, insight_of(request.prior, request.seen, "start", elsewhere))
    return _modelled(request, task, data)


def _is_stuck(request: Request) -> bool:
    """Whether a search without history gains nothing where it is, and this trial leaves it.

    Not where something is known to fail: only the models avoid that.
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
    """Return what `explain` needs to say why: JSON values."""
    bounds = known_bounds(request.metric, request.sign * request.seen.finals[:, 0])

    def unit(z: Floats) -> Floats:
        return bounds.clip(request.sign * data.scales[0].value(z))

    alone = insight["cold_mean"]
    return {
        "objective_cold": None if alone is None else float(unit(np.array([alone]))[0]),
        "against": driven_by(belief.arms, data, request.encoding, x, unit),
    }


def _is_alone(request: Request) -> bool:
    """Whether no trial is running: those that ran at once looked elsewhere already."""
    return not len(request.seen.pending)


def _beliefs(request: Request, data: TrainingData) -> list[HistoryMixture]:
    """Return what is believed of each objective; as it was, while nothing new is told."""
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
    """Return how much a trial would improve on what is feasible and what is running."""
    pending = request.seen.pending
    good = np.concatenate([data.x[data.feasible], pending])
    if request.pins:
        # What is given may rule the best place out: the trial is to be good among those left.
        good = task.walk(good)
    if len(beliefs) == 1:
        return LogExpectedImprovement(beliefs[0].believing(pending).arms, good, _boldness(request))
    values = np.stack([belief.mean(good) for belief in beliefs], axis=1)
    # One model each: of several the most trusted, which stands for the mixture.
    models = [max(belief.believing(pending).arms, key=lambda arm: arm[0])[1] for belief in beliefs]
    return LogHypervolumeImprovement(models, values)


def _boldness(request: Request) -> float:
    """Return how far the proposal looks away from what is known.

    Very many workers at once would all be sent to the one best place: each believes that the
    others will find there what the model predicts, and nothing is learnt until they return. So with
    many trials running they take turns at looking further. With 16 workers and fewer, what the
    model believes keeps them apart enough.
    """
    is_cold_turn = request.prior is not None and not has_history_a_say(
        request.number, is_misled=False
    )
    if is_cold_turn and has_stalled(request.number, request.seen.y[:, 0]):
        # Where history led and nothing is gained any more, own results look elsewhere.
        return _BOLD
    turns = min(1 + len(request.seen.pending) // _CROWD, len(_BOLDNESS))
    return _BOLDNESS[request.number % turns]


def _anything(task: SearchTask) -> Floats:
    """Return an allowed point although it was tried before: nothing new was found."""
    found = task.walk(task.grounds.sample(64, task.seed))
    found = found[task.grounds.allowed(found)]
    if len(found):
        return as_point(found)
    return as_point(task.walk(np.full((1, len(task.grounds.columns)), np.nan)))
