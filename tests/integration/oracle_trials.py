"""KerasTuner scripts with our oracle, many in one process: TensorFlow is imported once.

Run as `python -m tests.integration.oracle_trials CASE…` with TUNER_API_URL and TUNER_TOKEN; writes
what each case has seen, a line of JSON each.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner as kt

import tuner

Run = Callable[[Any, kt.HyperParameters], Any]


class Own(kt.Tuner):
    """A tuner whose trials are a function of the hyperparameters, without Keras."""

    def __init__(self, run: Run, **options: Any) -> None:
        self.run = run
        super().__init__(**options)

    def run_trial(self, trial: Any, *args: Any, **options: Any) -> Any:
        return self.run(self, trial)


def space() -> kt.HyperParameters:
    """Return a space with conditions, and with names that a study cannot have."""
    hp = kt.HyperParameters()
    hp.Float("learning rate", 1e-4, 1e-1, sampling="log")
    hp.Int("n/layers", 1, 3)
    with hp.conditional_scope("n/layers", [2, 3]):
        hp.Int("units", 8, 64, step=8)
    with hp.conditional_scope("n/layers", [1]):
        hp.Choice("units", [4, 5])
    hp.Int("batch", 2, 16, step=2, sampling="log")
    hp.Boolean("norm")
    return hp


def search(name: str, run: Run, trials: int = 4, **options: Any) -> Own:
    """Run a study of this name to its end."""
    made = make(name, run, trials, **options)
    made.search(verbose=0)
    return made


def make(name: str, run: Run, trials: int = 4, **options: Any) -> Own:
    """Return a tuner of the study of this name, with a project of the same name."""
    options = {"max_trials": trials, "hyperparameters": space(), **options}
    project = options.pop("project", name)
    oracle = tuner.keras.ServiceOracle(study=f"oracle/{name}", **options)
    return Own(run, oracle=oracle, directory="projects", project_name=project)


def statuses(made: Own) -> dict[str, Any]:
    """Return state and score of the trials that this process has."""
    return {name: [trial.status, trial.score] for name, trial in sorted(made.oracle.trials.items())}


def plain() -> Any:
    seen: list[dict[str, Any]] = []

    def run(_tuner: Own, trial: Any) -> float:
        hp = trial.hyperparameters
        seen.append(dict(hp.values))
        return float(hp.get("learning rate"))

    made = search("plain", run, 6)
    best = made.get_best_hyperparameters()[0]
    project = Path(made.project_dir)
    files = sorted(str(path.relative_to(project)) for path in project.rglob("*.json"))
    return {
        "seen": seen,
        "best": best.values,
        "built": best.get("learning rate"),
        "files": files,
        "remaining": made.remaining_trials,
    }


def retried() -> Any:
    runs: list[str] = []

    def run(_tuner: Own, trial: Any) -> float:
        runs.append(trial.trial_id)
        if trial.trial_id == "0" and runs.count("0") == 1:
            raise ValueError("the first time")
        if trial.trial_id == "1":
            raise kt.errors.FailedTrialError("too large")
        return float("nan") if trial.trial_id == "2" else 1.0

    made = search("retried", run, max_retries_per_trial=1)
    return {"runs": runs, "statuses": statuses(made)}


def failing() -> Any:
    def run(_tuner: Own, trial: Any) -> float:
        raise ValueError(f"never works {trial.trial_id}")

    made = make("failing", run, max_consecutive_failed_trials=2)
    try:
        made.search(verbose=0)
    except RuntimeError as exc:
        return str(exc)
    return None


def averaged() -> Any:
    made = search("averaged", lambda _tuner, _trial: [1.0, 3.0], 1)
    return statuses(made)


def several() -> Any:
    objective = [kt.Objective("loss", "min"), kt.Objective("accuracy", "max")]

    def run(_tuner: Own, _trial: Any) -> dict[str, float]:
        return {"loss": 0.5, "accuracy": 0.75, "multi_objective": -0.25}

    return statuses(search("several", run, 1, objective=objective))


def reported() -> Any:
    stopped: list[int] = []

    def run(own: Own, trial: Any) -> float:
        for step in range(4):
            value = 1.0 if trial.trial_id == "0" else 2.0
            if own.oracle.update_trial(trial.trial_id, {"score": value}, step).status == "STOPPED":
                stopped.append(step)
                break
        return value

    made = search(
        "reported",
        run,
        2,
        objective=kt.Objective("score", "min"),
        pruner={"name": "median", "startup_trials": 1, "warmup_steps": 0},
    )
    return {"stopped": stopped, "statuses": statuses(made)}


def interrupted() -> Any:
    seen: list[list[Any]] = []

    def run(_tuner: Own, trial: Any) -> float:
        seen.append([trial.trial_id, dict(trial.hyperparameters.values)])
        if len(seen) == 2:
            raise KeyboardInterrupt
        return 1.0

    made = make("interrupted", run, 3)
    with contextlib.suppress(KeyboardInterrupt):
        made.search(verbose=0)
    left = sorted(made.oracle.trials)
    made.oracle.close()
    again = search("interrupted", run, 3)
    return {"seen": seen, "left": left, "ended": sorted(again.oracle.trials)}


def resumed() -> Any:
    first = search("resumed", lambda _tuner, _trial: 2.0, 2)
    first.oracle.close()
    runs: list[str] = []

    def run(_tuner: Own, trial: Any) -> float:
        runs.append(trial.trial_id)
        return 1.0

    second = search("resumed", run, 4)
    elsewhere = make("resumed", run, 4, project="another")
    elsewhere.search(verbose=0)
    return {
        "runs": runs,
        "best": [trial.trial_id for trial in second.oracle.get_best_trials(4)],
        "elsewhere": [trial.score for trial in elsewhere.oracle.get_best_trials(9)],
    }


def unknown() -> Any:
    seen: list[dict[str, Any]] = []

    def run(_tuner: Own, trial: Any) -> float:
        hp = trial.hyperparameters
        rate = hp.Float("rate", 0.25, 0.75)
        if hp.Choice("kind", ["deep", "wide"], default="wide") == "deep":
            with hp.conditional_scope("kind", ["deep"]):
                hp.Int("layers", 2, 5, default=3)
        seen.append(dict(hp.values))
        return float(rate)

    made = search("unknown", run, 5, hyperparameters=None)
    return {"seen": seen, "space": [item.name for item in made.oracle.get_space().space]}


def untuned() -> Any:
    known = kt.HyperParameters()
    known.Float("rate", 0.25, 0.75)
    seen: list[dict[str, Any]] = []

    def run(_tuner: Own, trial: Any) -> float:
        trial.hyperparameters.Int("units", 1, 9, default=4)
        seen.append(dict(trial.hyperparameters.values))
        return float(trial.hyperparameters.get("rate"))

    search("untuned", run, 3, hyperparameters=known, tune_new_entries=False)
    return seen


def mistaken() -> Any:
    """Return the message of each mistake."""
    said: dict[str, str] = {}

    def message(what: str, attempt: Callable[[], Any]) -> None:
        try:
            attempt()
        except Exception as exc:  # noqa: BLE001 - whatever it is, its text is looked at
            said[what] = f"{type(exc).__name__}: {exc}"

    def run(_tuner: Own, _trial: Any) -> float:
        return 1.0

    nowhere = "http://127.0.0.1:9"
    message("no server", lambda: search("mistaken", run, api_url=nowhere, token="t"))
    message(
        "token", lambda: search("mistaken", run, api_url=os.environ["TUNER_API_URL"], token="t")
    )
    message("name", lambda: tuner.keras.ServiceOracle(study="Vision", max_trials=1))
    message("no limit", lambda: search("mistaken", run, None))
    search("mistaken", run, 1)
    other = kt.HyperParameters()
    other.Float("learning rate", 1e-3, 1e-1)
    message("space", lambda: search("mistaken", run, hyperparameters=other, project="other"))
    message("project", lambda: make("elsewhere", run, project="mistaken"))
    choice = kt.HyperParameters()
    choice.Choice("layer", ["a", ""])
    message("choice", lambda: search("choice", run, hyperparameters=choice))
    return said


def trained() -> Any:
    import keras
    import numpy as np

    x = np.linspace(-1, 1, 64, dtype="float32").reshape(-1, 1)
    y = 2 * x
    ran: list[int] = []

    class Net(kt.HyperModel):
        def build(self, hp: kt.HyperParameters) -> Any:
            keras.utils.set_random_seed(3)
            net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            rate = hp.Float("rate", 1e-6, 1.0, sampling="log")
            net.compile(keras.optimizers.SGD(rate), "mse")
            return net

        def fit(self, hp: kt.HyperParameters, model: Any, *args: Any, **options: Any) -> Any:
            history = model.fit(*args, batch_size=hp.Choice("batch size", [32, 64]), **options)
            ran.append(len(history.epoch))
            return history

    oracle = tuner.keras.ServiceOracle(
        study="oracle/trained",
        objective="val_loss",
        seed=3,
        max_trials=3,
        pruner={"name": "median", "startup_trials": 1, "warmup_steps": 0},
    )
    made = kt.Tuner(
        oracle=oracle,
        hypermodel=Net(),
        executions_per_trial=2,
        directory="projects",
        project_name="trained",
    )
    made.search(x, y, validation_data=(x, y), epochs=4, verbose=0)
    model = made.get_best_models()[0]
    return {
        "ran": ran,
        "statuses": {name: [t.status, t.score] for name, t in sorted(oracle.trials.items())},
        "best": oracle.get_best_trials()[0].score,
        "loss": float(model.evaluate(x, y, verbose=0)),
        "values": made.get_best_hyperparameters()[0].values,
    }


def main() -> None:
    """Run the cases that are named."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for case in sys.argv[1:]:
        line = json.dumps({"case": case, "found": globals()[case]()})
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
