from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.cli.writing.flow import flow
from tuner.spec.reading.yaml12 import parse_value

_SCALARS = (
    st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("äß漢"))
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab.:", min_size=1), inner)
)


@given(_VALUES)
def test_what_is_written_reads_as_the_same(value: Any) -> None:
    assert parse_value(f"- {flow(value)}", "test") == [value]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"low": 1e-5, "log": True}, "{low: 1e-5, log: true}"),
        ({"when": {"train.optimizer": ["sgd", "no"]}}, "{when: {train.optimizer: [sgd, no]}}"),
        ([0.5, 1e20, "true", "1e-5", "a: b"], '[0.5, 1e20, "true", "1e-5", "a: b"]'),
    ],
)
def test_it_looks_as_a_person_writes_it(value: Any, written: str) -> None:
    assert flow(value) == written
