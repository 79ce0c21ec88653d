"""Models of KerasTuner's guides, and hypermodels of its own, train unchanged on every backend."""

from __future__ import annotations

import pytest

from tests.hypermodels.cases import guide, run_all
from tests.support.needed import needs
from tests.support.training.backend_interpreters import interpreter

pytestmark = needs("keras_tuner")
GUIDED = {
    **{name: guide(name, "table", draw=1) for name in ("mlp", "Preprocessed", "subclassed")},
    "cnn": guide("cnn", "pictures", draw=1),
    "augmented": guide("augmented", "pictures", draw=1),
    "lstm": guide("lstm", "series", draw=1),
    "several_inputs": guide("several_inputs", "two_tables", draw=1),
    "CustomFit": guide("CustomFit", None, draw=1),
    "CustomLoop": guide("CustomLoop", draw=1),
    "nested": guide("nested", draw=1),
    "Averaged": guide("Averaged", draw=1),
}
APPLICATIONS = {
    name: {
        "hypermodel": f"tests.hypermodels.applications:{name}",
        "loader": f"tests.hypermodels.applications:{loader}",
        "draw": 1,
    }
    for name, loader in (("Augmented", "tiny"), ("resnet", "small"), ("xception", "large"))
}


@pytest.mark.slow
def test_hypermodels_of_the_guides_and_keras_tuners_own_train_unchanged() -> None:
    for name, result in run_all(GUIDED | APPLICATIONS).items():
        assert result["end"]["outcome"] == "complete", (name, result["end"])
        assert result["found"], name
        drawn = result["drawn"]
        assert drawn["end"]["outcome"] == "complete", (name, drawn["params"], drawn["end"])
        assert drawn["points"], name


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_hypermodels_train_unchanged_on_other_backends(backend: str) -> None:
    # A gradient tape is TensorFlow's.
    cases = {name: case for name, case in GUIDED.items() if name != "CustomLoop"}
    cases["stopped"] = guide("nested", word="preempt", again=True)

    # What JAX compiles runs for a few batches, and to optimise it takes longer than that.
    environ = {"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    results = run_all(cases, str(interpreter(backend)), **environ)

    again = results.pop("stopped")["again"]
    assert again["end"]["outcome"] == "complete", again["end"]
    assert [point["step"] for point in again["points"]] == [2], "it continued"
    for name, result in results.items():
        assert result["end"]["outcome"] == "complete", (name, result["end"])
        assert result["drawn"]["end"]["outcome"] == "complete", (name, result["drawn"])
