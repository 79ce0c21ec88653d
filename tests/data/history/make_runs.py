"""Makes the runs of this folder with the tools themselves: `python make_runs.py NAME FOLDER`.

    keras          TensorFlow's HParams API: `hp.KerasCallback`, and `hp.hparams` by hand
    kerastuner     a KerasTuner project, and the TensorBoard logs of the same search
    neptune        the Parquet files of Neptune's exporter (with pyarrow)
    tensorboardx   `add_hparams` of tensorboardX, which PyTorch's is a copy of
    optuna         `TensorBoardCallback` of optuna-integration (kept in ../board/optuna)

Only for making them again: the tests read the files that were made.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path


def keras(folder: Path) -> None:
    """Two trials with sub-runs, one of which was never ended; two written by hand."""
    import numpy as np
    import tensorflow as tf
    from tensorboard.plugins.hparams import api as hp

    tf.keras.utils.set_random_seed(7)
    x, y = np.random.default_rng(7).normal(size=(64, 4)), np.arange(64) % 2
    units = hp.HParam("units", hp.Discrete([4, 8]))
    rate = hp.HParam("rate", hp.RealInterval(0.001, 0.1))
    with tf.summary.create_file_writer(str(folder / "callback")).as_default():
        hp.hparams_config(hparams=[units, rate], metrics=[hp.Metric("epoch_loss", "validation")])
    for number, (size, speed) in enumerate([(4, 0.01), (8, 0.1), (8, 0.001)]):
        run = str(folder / "callback" / f"run-{number}")
        model = tf.keras.Sequential([tf.keras.layers.Dense(size), tf.keras.layers.Dense(1)])
        model.compile(tf.keras.optimizers.SGD(speed), "mse")
        values = {"units": size, "rate": speed, "bias": True, "name": "plain"}
        callbacks = [tf.keras.callbacks.TensorBoard(run, write_graph=False)]
        callbacks.append(hp.KerasCallback(run, values, trial_id=f"trial-{number}"))
        if number == 2:
            callbacks.append(_Killed())
        try:
            model.fit(x, y, validation_split=0.25, epochs=3, callbacks=callbacks, verbose=0)
        except KeyboardInterrupt:
            continue
    for number, size in enumerate([4, 8]):
        run = str(folder / "by-hand" / f"run-{number}")
        with tf.summary.create_file_writer(run).as_default():
            hp.hparams({"units": size, "rate": 0.1 / size})
            tf.summary.scalar("accuracy", 0.5 + number / 8, step=1)


def _Killed() -> object:  # noqa: N802 - a class that needs TensorFlow
    import tensorflow as tf

    class Killed(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    return Killed()


def kerastuner(folder: Path) -> None:
    """Four trials of two executions over a conditional space."""
    import keras
    import keras_tuner
    import numpy as np

    keras.utils.set_random_seed(7)
    x, y = np.random.default_rng(7).normal(size=(64, 4)), np.arange(64) % 2

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        model = keras.Sequential()
        for index in range(hp.Int("layers", 1, 2)):
            model.add(keras.layers.Dense(hp.Choice(f"units_{index}", [4, 8], ordered=True)))
        model.add(keras.layers.Dense(1))
        rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
        optimizer = hp.Choice("optimizer", ["sgd", "adam"])
        with hp.conditional_scope("optimizer", ["sgd"]):
            if optimizer == "sgd":
                momentum = hp.Float("momentum", 0.0, 0.9, step=0.3)
        hp.Fixed("epochs", 3)
        if optimizer == "sgd":
            chosen = keras.optimizers.SGD(rate, momentum)
        else:
            chosen = keras.optimizers.Adam(rate)
        model.compile(chosen, "mse", metrics=["mae"])
        return model

    tuner = keras_tuner.RandomSearch(
        build,
        objective="val_loss",
        max_trials=4,
        executions_per_trial=2,
        seed=7,
        directory=str(folder),
        project_name="project",
    )
    logs = keras.callbacks.TensorBoard(str(folder / "logs"), write_graph=False)
    tuner.search(x, y, validation_split=0.25, epochs=3, callbacks=[logs], verbose=0)
    for path in folder.rglob("*"):
        if path.name.endswith((".weights.h5", "build_config.json")) or path.name == "checkpoint":
            path.unlink()


def tensorboardx(folder: Path) -> None:
    """Two runs with curves and one `add_hparams` each; one with two; one None."""
    from tensorboardX import SummaryWriter

    for number, speed in enumerate([0.1, 0.01]):
        with SummaryWriter(str(folder / f"run-{number}")) as writer:
            for step in range(5):
                writer.add_scalar("loss", speed * (5 - step), step)
            values = {"rate": speed, "optimizer": "adam", "nesterov": bool(number), "decay": None}
            writer.add_hparams(values, {"hparam/loss": speed, "hparam/accuracy": 1 - speed})
    with SummaryWriter(str(folder / "shared")) as writer:
        writer.add_scalar("loss", 9.0, 0)
        for speed in (0.3, 0.4):
            writer.add_hparams({"rate": speed}, {"hparam/loss": speed})


def optuna(folder: Path) -> None:
    """Four trials, one of which was pruned and one without a parameter that others have."""
    import optuna
    from optuna_integration import TensorBoardCallback

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        if trial.number == 2:
            raise optuna.TrialPruned
        if trial.suggest_categorical("optimizer", ["adam", "sgd"]) == "sgd":
            trial.suggest_float("momentum", 0.0, 0.9)
        return rate * trial.suggest_int("layers", 1, 4)

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(7))
    callback = TensorBoardCallback(str(folder), metric_name="loss")
    study.optimize(objective, n_trials=4, callbacks=[callback])


def mlflow(folder: Path) -> None:
    """Runs of every state, of which one has no finite value, and one is another's child."""
    import mlflow

    rates = {"FINISHED": 0.01, "FAILED": 0.1, "KILLED": 0.001}
    for store in (f"file:{folder}/mlruns", f"sqlite:///{folder}/mlflow.db"):
        mlflow.set_tracking_uri(store)
        mlflow.set_experiment("digits")
        for number, (state, rate) in enumerate([*rates.items(), ("FINISHED", 0.5)]):
            mlflow.start_run(run_name=f"run-{number}")
            settings = {"train.rate": rate, "optimizer": "adam", "layers": number, "norm": True}
            mlflow.log_params(settings)
            for epoch in range(1, 4):
                value = float("nan") if number == 3 else 0.5 + epoch / 100
                mlflow.log_metric("val/accuracy", value, step=epoch)
            mlflow.end_run(state)
        with mlflow.start_run(run_name="parent"):
            mlflow.log_param("folds", 1)
            with mlflow.start_run(run_name="child", nested=True):
                mlflow.log_params({"train.rate": 0.2, "optimizer": "sgd", "layers": 2})
                mlflow.log_metric("val/accuracy", 0.9)
        mlflow.MlflowClient().create_run(mlflow.get_experiment_by_name("digits").experiment_id)
    database = sqlite3.connect(folder / "mlflow.db")
    tables = ("experiments", "runs", "params", "metrics")
    wanted = re.compile(rf'(CREATE TABLE|INSERT INTO)[^"]*"({"|".join(tables)})"')
    lines = [line for line in database.iterdump() if wanted.match(line)]
    (folder / "mlflow.sql").write_text("\n".join(lines) + "\n")
    (folder / "mlflow.db").unlink()


def wandb(folder: Path) -> None:
    """Offline runs: two that end, one of which is longer than a block, and one that fails."""
    import wandb

    for number, (optimizer, epochs) in enumerate([("adam", 3), ("sgd", 120), ("sgd", 3)]):
        model = {"layers": number + 1, "dropout": number / 10}
        config = {"lr": 0.1**number, "optimizer": optimizer, "norm": bool(number), "model": model}
        run = wandb.init(
            project="digits",
            mode="offline",
            config=config,
            name=f"run-{number}",
            dir=str(folder),
            settings=wandb.Settings(
                host="host", disable_git=True, save_code=False, x_disable_stats=True
            ),
        )
        for epoch in range(epochs):
            run.log({"val_accuracy": 0.5 + epoch / 1000, "loss": float("nan") if number else 1.0})
        run.summary["note"] = "text"
        run.finish(exit_code=int(number == 2))
    for path in folder.rglob("*"):
        if path.is_symlink() or (path.is_file() and path.suffix != ".wandb"):
            path.unlink()


def neptune(folder: Path) -> None:
    """What Neptune's exporter writes, by its documented schema; the service itself is shut."""
    import datetime
    from decimal import Decimal

    import pyarrow as pa
    import pyarrow.parquet as pq

    moment = pa.timestamp("ms", tz="UTC")
    texts = ("project_id", "run_id", "attribute_path", "attribute_type")
    schema = pa.schema(
        [
            *((name, pa.string()) for name in texts),
            ("step", pa.decimal128(18, 6)),
            ("timestamp", moment),
            ("int_value", pa.int64()),
            ("float_value", pa.float64()),
            ("string_value", pa.string()),
            ("bool_value", pa.bool_()),
            ("datetime_value", moment),
            ("string_set_value", pa.list_(pa.string())),
            ("file_value", pa.struct([("path", pa.string())])),
            ("histogram_value", pa.struct([("edges", pa.list_(pa.float64()))])),
        ]
    )
    begin = datetime.datetime(2026, 1, 5, 10, tzinfo=datetime.UTC)
    project = folder / "team_digits_1a2b"
    project.mkdir(parents=True)
    for number, steps in enumerate([3, 60, 3, 2], start=1):
        rows: list[dict[str, object]] = []

        def add(path: str, kind: str, **values: object) -> None:
            ids = {"project_id": "team/digits", "run_id": f"DIG-{number}"}  # noqa: B023
            rows.append({**ids, "attribute_path": path, "attribute_type": kind, **values})  # noqa: B023

        end = begin + datetime.timedelta(minutes=number)
        add("sys/creation_time", "datetime", datetime_value=begin)
        add("sys/modification_time", "datetime", datetime_value=end)
        add("sys/failed", "bool", bool_value=number == 3)
        add("sys/state", "string", string_value="Active" if number == 4 else "Inactive")
        add("sys/tags", "string_set", string_set_value=["a", "b"])
        add("parameters/model/layers", "int", int_value=number)
        add("parameters/lr", "float", float_value=10.0**-number)
        add("parameters/optimizer", "string", string_value="adam")
        add("parameters/norm", "bool", bool_value=bool(number % 2))
        add("metrics/test/accuracy", "float", float_value=0.5)
        add("source_code/git", "file", file_value={"path": "a/b"})
        for step in range(steps):
            value = 0.1 * number + step / 1000
            add("metrics/val/accuracy", "float_series", step=Decimal(step), float_value=value)
            loss = float("nan") if number == 2 else 1 / (step + 1)
            add("metrics/loss", "float_series", step=Decimal(step) / 2, float_value=loss)
        add("weights", "histogram_series", step=Decimal(1), histogram_value={"edges": [0.0]})
        parts = [rows] if number != 2 else [rows[:50], rows[50:]]
        for part, found in enumerate(parts):
            path = project / f"DIG-{number}_part_{part}.parquet"
            with pq.ParquetWriter(path, schema, compression="snappy") as writer:
                for start in range(0, len(found), 40):
                    batch = [
                        {n: row.get(n) for n in schema.names} for row in found[start : start + 40]
                    ]
                    writer.write_table(pa.Table.from_pylist(batch, schema=schema))


MAKERS: dict[str, Callable[[Path], None]] = {
    "keras": keras,
    "kerastuner": kerastuner,
    "tensorboardx": tensorboardx,
    "optuna": optuna,
    "mlflow": mlflow,
    "wandb": wandb,
    "neptune": neptune,
}

if __name__ == "__main__":
    MAKERS[sys.argv[1]](Path(sys.argv[2]))
