"""`study.optimize` in several processes on one database: what Optuna does without a service.

It writes no files, forks nothing and forgets its workers, so it is a bound, not a rival.
`python -m tests.benchmarks.optuna_peer URL SEED TRIALS` is one of the processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import optuna

from tests.benchmarks.stack import ROOT
from tuner.samplers import SamplerContext, make_sampler
from tuner.space import Parameter
from tuner.space.optuna import distribution, from_optuna
from tuner.spec import StudySpec, parse_spec

REPORTS = 3


def run_optuna(url: str, spec: StudySpec, trials: int, *, processes: int) -> float:
    """Run a study; return trials per second, without the start of the processes."""
    storage = optuna.storages.RDBStorage(url)
    optuna.create_study(storage=storage, study_name=spec.name, direction="minimize")
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.benchmarks.optuna_peer",
                url,
                json.dumps(spec.to_json()),
                str(seed),
                str(trials // processes),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(processes)
    ]
    for process in started:
        _read(process)
    start = time.monotonic()
    for process in started:
        _go(process)
    for process in started:
        if process.wait() != 0:
            raise RuntimeError(f"a process of study.optimize ended with {process.returncode}")
    took = time.monotonic() - start
    done = len(optuna.load_study(study_name=spec.name, storage=storage).trials)
    storage.engine.dispose()
    if done != trials:
        raise RuntimeError(f"study.optimize made {done} of {trials} trials")
    return trials / took


def _read(process: subprocess.Popen[str]) -> None:
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise RuntimeError("a process of study.optimize did not start")


def _go(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.write("go\n")
        process.stdin.flush()


def _optimize(url: str, spec: StudySpec, seed: int, trials: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    has_conditions = any(parameter.when for parameter in spec.space.parameters)
    context = SamplerContext(study_seed=seed, seed=seed, has_conditions=has_conditions)
    study = optuna.load_study(
        study_name=spec.name,
        storage=optuna.storages.RDBStorage(url),
        sampler=make_sampler(spec.sampler.name, context),
    )

    def objective(trial: optuna.Trial) -> float:
        def choose(parameter: Parameter) -> Any:
            return from_optuna(parameter, trial._suggest(parameter.name, distribution(parameter)))

        loss = float(spec.space.walk(choose)["train.learning_rate"])
        for step in range(1, REPORTS + 1):
            trial.report(loss / step, step)
        return loss

    print("ready", flush=True)
    sys.stdin.readline()
    study.optimize(objective, n_trials=trials)


if __name__ == "__main__":
    _url, _spec, _seed, _trials = sys.argv[1:]
    _optimize(_url, parse_spec(json.loads(_spec)), int(_seed), int(_trials))
