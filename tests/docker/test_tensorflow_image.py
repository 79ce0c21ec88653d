"""The image with TensorFlow trains a Keras model; it is built where its files have changed."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.environments import ROOT
from tests.docker import tensorflow_record
from tests.docker.engine import Engine
from tests.docker.images import build

_TAG = "tuner-test/worker:tensorflow"
#: One trial by hand, as `Run.local` has it: a model is built, trained and judged.
_TRAIN = """
import keras
from workers import Run

def train(run):
    keras.utils.set_random_seed(run.seed)
    x = keras.random.normal((256, 4), seed=1)
    y = keras.ops.sum(x, axis=1)
    model = keras.Sequential([keras.layers.Dense(run.params["units"]), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[run.keras_callback()])
    return min(history.history["loss"])

print(keras.backend.backend(), train(Run.local({"units": 8})))
"""


@pytest.mark.timeout(1800)
def test_keras_trains_in_the_image_with_tensorflow(engine: Engine, base: str) -> None:
    if tensorflow_record.is_recorded():
        # Nothing is skipped: this was done when these files were written.
        return
    build(engine, "worker", "cpu", _TAG, base=base)
    hardened = ("--rm", "--read-only", "--cap-drop=ALL", "--tmpfs=/tmp:exec", "--network=none")

    said = engine.docker("run", *hardened, "--entrypoint=python3", _TAG, "-c", _TRAIN)

    backend, loss = said.splitlines()[-1].split()
    assert backend == "tensorflow"
    assert float(loss) >= 0
    size = int(json.loads(engine.docker("image", "inspect", _TAG))[0]["Size"])
    tensorflow_record.record(size // 1_000_000)
    engine.docker("rmi", _TAG)


def test_the_record_of_the_image_is_that_of_a_lock_of_this_repository() -> None:
    facts = json.loads(tensorflow_record.RECORD.read_text())

    assert (ROOT / facts["lock"]).is_file()
