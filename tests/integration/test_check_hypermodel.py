"""`tuner check` of a hypermodel, with TensorFlow: sizes, faults, time and cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MODELS = """
import keras
import numpy as np

def data():
    x = np.random.default_rng(0).normal(size=(64, 12, 12, 1)).astype("float32")
    y = (x.sum(axis=(1, 2, 3)) > 0).astype("int32")
    return {"x": x, "y": y, "epochs": 4, "batch_size": 16, "verbose": 0}

def build(hp):
    model = keras.Sequential([keras.Input((12, 12, 1))])
    for _ in range(hp.Int("blocks", 1, 3)):
        model.add(keras.layers.Conv2D(hp.Int("filters", 2, 4), 3, activation="relu"))
        model.add(keras.layers.MaxPooling2D(2))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(2, activation="softmax"))
    model.compile(
        keras.optimizers.Adam(hp.Float("lr", 1e-4, 1e-1, sampling="log")),
        "sparse_categorical_crossentropy", metrics=["accuracy"],
    )
    return model
"""
SPEC = """
project: demo
study: cnn
hypermodel: models:build
data: {loader: models:data}
metric: {name: accuracy, goal: maximize}
budget: {trials: 40}
"""


def test_a_hypermodel_is_built_at_its_corners_timed_and_priced(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "spec.yaml").write_text(SPEC)
    done = subprocess.run(
        [sys.executable, "-m", "tuner", "check", "spec.yaml", "--points", "4", "--json"],
        cwd=tmp_path,
        env={**os.environ, "TUNER_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    findings = json.loads(done.stdout)
    preflight = findings["preflight"]

    assert (preflight["points"], preflight["corners"], preflight["tried"]) == (12, 8, 12)
    (failure,) = preflight["failed"]
    assert failure["regions"][0]["where"] == ["blocks ≥ 3"]
    assert "ValueError" in failure["error"]
    # One block: 2 filters of 3 x 3 and their bias, 5 x 5 x 2 values into 2 classes.
    assert preflight["parameters"]["min"] == 2 * 10 + 2 * 51
    assert preflight["memory_bytes"]["min"] > 4 * 4 * preflight["parameters"]["min"]
    assert 0 < preflight["seconds_per_step"]["min"] < 10
    cost = preflight["cost"]
    assert "4 steps an epoch, 4 epochs" in cost["basis"]
    assert cost["hours"] == pytest.approx(40 * cost["trial_s"] / cost["workers"] / 3600, rel=0.02)
    assert cost["gpu_hours"] == 0
    assert "hypermodel: lr: an abbreviation; better train.learning_rate" in findings["warnings"]
    assert not (tmp_path / "home" / "tuner.db").exists(), "nothing is created"
