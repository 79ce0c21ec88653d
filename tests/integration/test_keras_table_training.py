from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.keras_table.table import load_table
from tests.support.needed import needs
from tests.support.service_process import ROOT

pytestmark = needs("keras", "tensorflow", "sklearn")

DATASET = "wine"
#: One of each optimiser, with learning rates at which rounding does not grow from step to step.
ROWS = (0, 1, 2)
#: Processors round differently; on one they are equal to the digits that the table keeps.
TOLERANCE = 0.01


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    """Curves of a new training of `ROWS`."""
    command = [sys.executable, "-m", "tests.integration.keras_table_trainings", DATASET]
    done = subprocess.run(
        [*command, *map(str, ROWS)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_training_again_gives_the_shipped_curves(row: int, trained: dict[str, Any]) -> None:
    shipped = load_table()[DATASET].seeds[0]

    np.testing.assert_allclose(trained[str(row)]["loss"], shipped.loss[row], rtol=TOLERANCE)
    np.testing.assert_allclose(trained[str(row)]["val_loss"], shipped.val_loss[row], rtol=TOLERANCE)


@pytest.mark.slow
def test_the_table_holds_what_keras_fit_gives(trained: dict[str, Any]) -> None:
    shipped = load_table()[DATASET].seeds[0]
    epochs = len(trained["fit"]["loss"])

    assert epochs == 5
    np.testing.assert_allclose(
        trained["fit"]["val_loss"], shipped.val_loss[ROWS[0], :epochs], rtol=TOLERANCE
    )
    np.testing.assert_allclose(
        trained["fit"]["loss"], shipped.loss[ROWS[0], :epochs], rtol=TOLERANCE
    )
