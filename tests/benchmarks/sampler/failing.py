"""Studies whose objective raises in a part of the space: how many trials that costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from tests.benchmarks.figure import Figure
from tests.benchmarks.sampler.tasks.failing import FailingTask, failing_tasks
from tuner.samplers.bayesian import BayesianSampler
from tuner.space import Parameter, Params, Value
from tuner.space.optuna import distribution, from_optuna

TRIALS = 40
#: In each shape that has a region; what fails by chance costs its share whoever proposes.
MOST_FAILED = 12
#: Where more than a third of the space fails, or failures have no region: only shown.
_UNJUDGED = ("island", "chance")

SAMPLERS: Mapping[str, Callable[[FailingTask, int], BaseSampler]] = {
    "bayesian": lambda task, seed: BayesianSampler(space=task.space, seed=seed),
    "tpe": lambda _task, seed: TPESampler(seed=seed),
    "random": lambda _task, seed: RandomSampler(seed=seed),
}


@dataclass(frozen=True)
class Failed:
    """What a study came to: trials that failed, and how far the best is from the best there is."""

    count: int
    short: float


def run_failing(task: FailingTask, sampler: str, seed: int, trials: int = TRIALS) -> Failed:
    """Run one study as an Optuna script does; what raises is FAIL."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=SAMPLERS[sampler](task, seed))
    for number in range(trials):
        trial = study.ask()
        value = task.run(_suggest(task, trial), number, seed)
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        study.tell(trial, value, state=state)
    values = [t.value for t in study.trials if t.value is not None]
    return Failed(trials - len(values), min(values, default=np.inf) - task.best)


def _suggest(task: FailingTask, trial: optuna.Trial) -> Params:
    def choose(parameter: Parameter) -> Value:
        return from_optuna(parameter, trial._suggest(parameter.name, distribution(parameter)))

    return task.space.walk(choose)


def measure(
    seeds: int = 3, samplers: Sequence[str] = tuple(SAMPLERS), shapes: Sequence[str] = ()
) -> list[Figure]:
    """Return the mean number of failures in each shape, of each sampler."""
    tasks = failing_tasks()
    figures = []
    for name in shapes or tasks:
        for sampler in samplers:
            runs = [run_failing(tasks[name], sampler, seed) for seed in range(seeds)]
            judged = sampler == "bayesian" and name not in _UNJUDGED
            short = np.mean([run.short for run in runs])
            figures.append(
                Figure(
                    name=f"{name}, {sampler}: failed of {TRIALS}",
                    value=float(np.mean([run.count for run in runs])),
                    unit="trials",
                    limit=MOST_FAILED if judged else None,
                    note=f"best is {short:.4f} from the best there is; {seeds} seeds",
                )
            )
    return figures
