"""The examples with several devices train on stand-ins of the processor; no GPU is needed.

Each runs in a process of its own, that of JAX and that of PyTorch in an environment that has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.training.backend_interpreters import interpreter

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "search_spaces" / "examples"
PARAMS = {
    "train.learning_rate": 0.05,
    "train.batch_size": 64,
    "model.layers": 1,
    "model.units": 32,
    "model.dropout_rate": 0.0,
}


def run_example(
    name: str, prepare: str, python: Path = Path(sys.executable), **environ: str
) -> dict[str, Any]:
    """Return what a program says that trains an example for three epochs.

    Args:
        name: of the objective's module.
        prepare: lines that define `facts`, which returns what is to be known besides the result.
        python: that runs it.
        environ: variables of its process.
    """
    program = (
        "import json, sys\n"
        "from workers import Run\n"
        f"from objectives import {name} as example\n"
        "example.EPOCHS = 3\n"
        f"run = Run.local({PARAMS!r}, seed=3, devices=2)\n"
        f"{prepare}\n"
        "print(json.dumps({'value': example.train(run), **facts()}))\n"
    )
    done = subprocess.run(
        [python, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{EXAMPLES}", **environ},
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return document


@pytest.mark.slow
def test_mirrored_strategy_trains_a_replica_on_each_device() -> None:
    said = run_example(
        "mirrored",
        "import tensorflow as tf\n"
        "strategy = tf.distribute.MirroredStrategy(example.name_devices(run))\n"
        "def facts(): return {'replicas': strategy.num_replicas_in_sync}",
        CUDA_VISIBLE_DEVICES="-1",
    )

    assert said["replicas"] == 2
    assert said["value"] > 0.8


@pytest.mark.slow
def test_jax_sharding_cuts_a_batch_into_a_part_for_each_device() -> None:
    said = run_example(
        "sharded",
        "put, parts = example.jax.device_put, set()\n"
        "def note(value, where):\n"
        "    placed = put(value, where)\n"
        "    if getattr(placed, 'ndim', 0) == 2:\n"
        "        shards = placed.addressable_shards\n"
        "        parts.add((len(shards), shards[0].data.shape[0]))\n"
        "    return placed\n"
        "example.jax.device_put = note\n"
        "def facts(): return {'parts': sorted(parts)}",
        interpreter("jax"),
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
        JAX_PLATFORMS="cpu",
    )

    assert said["parts"] == [[2, 32]], "64 rows on two devices"
    assert said["value"] > 0.6


@pytest.mark.slow
def test_torchrun_starts_a_rank_for_each_device() -> None:
    said = run_example(
        "torchrun", "def facts(): return {}", interpreter("torch"), CUDA_VISIBLE_DEVICES="-1"
    )

    assert said["value"] > 0.8
