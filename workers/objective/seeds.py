"""Seeds everything random that a trial may use, whichever backend its Keras has."""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import sys

from tuner.protocol import Reproducibility


def seed_everything(seed: int, mode: Reproducibility) -> None:
    """Seed Python, numpy, Keras and PyTorch as `mode` says; a forked trial must not repeat another.

    Keras and PyTorch are seeded when they are loaded: a worker that preimports Keras and an
    objective that imports them at its top both ensure that. `strict` also makes the operations of
    each backend deterministic.
    """
    if mode == "off":
        _refresh()
        return
    # The range that Keras and numpy accept; the trial's seed may have more bits.
    short = seed % 2**32
    random.seed(seed)
    if importlib.util.find_spec("numpy"):
        importlib.import_module("numpy").random.seed(short)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(short)
    if mode == "strict":
        _forbid_chance()
    if "keras" in sys.modules:
        # Keras' own generators, TensorFlow's (if installed, for `tf.data`) and PyTorch's.
        sys.modules["keras"].utils.set_random_seed(short)


def _refresh() -> None:
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        # It starts with the same seed in every process.
        sys.modules["torch"].seed()


def _forbid_chance() -> None:
    """Make each backend use algorithms that always give the same result.

    TensorFlow's switch also matters for `tf.data`, whose pipelines feed models of every backend.
    """
    if importlib.util.find_spec("tensorflow"):
        tensorflow = importlib.import_module("tensorflow")
        tensorflow.config.experimental.enable_op_determinism()
        if importlib.util.find_spec("keras"):
            importlib.import_module("keras")
    # Read when JAX opens its devices, at the first operation.
    flags = os.environ.get("XLA_FLAGS", "")
    if "jax" in sys.modules and "xla_gpu_deterministic_ops" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    # Read when PyTorch first multiplies on a GPU.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
