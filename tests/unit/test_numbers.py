"""What counts as a number that an objective gives."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from workers.objective.numbers import as_float


@pytest.mark.parametrize(
    "value", [3, 3.0, Fraction(3), Decimal(3), np.float32(3), np.int64(3), np.array(3.0)]
)
def test_any_real_number_is_taken_as_a_float(value: Any) -> None:
    found = as_float(value)

    assert (found, type(found)) == (3.0, float)


@pytest.mark.parametrize(
    "value",
    [True, False, np.bool_(True), "3", None, 3j, [3.0], np.array([3.0]), 10**400, Decimal("1e400")],
)
def test_truth_text_and_what_no_float_holds_are_no_numbers(value: Any) -> None:
    assert as_float(value) is None
