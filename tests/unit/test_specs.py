"""Specs of studies are parsed once and kept, but not for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.hostile.study_faults import spec
from tuner.errors import SpecError
from tuner.trials.specs import MOST, SpecOutline, read_as_stored, read_spec, write_spec


@pytest.fixture(autouse=True)
def _nothing_is_known() -> Iterator[None]:
    read_spec.cache_clear()
    yield
    read_spec.cache_clear()


def stored(number: int, **changes: object) -> str:
    return json.dumps({**spec(f"s{number}"), **changes})


def test_a_spec_is_parsed_again_only_for_another_text() -> None:
    first = read_spec(stored(1))

    assert read_spec(stored(1)) is first
    assert read_spec(stored(1, priority=3)) is not first


def test_of_many_studies_the_longest_unused_are_forgotten() -> None:
    first, second = read_spec(stored(0)), read_spec(stored(1))
    for number in range(2, MOST):
        read_spec(stored(number))
    assert read_spec(stored(0)) is first

    read_spec(stored(MOST))

    assert read_spec(stored(0)) is first
    assert read_spec(stored(1)) is not second


def test_what_is_stored_is_read_as_it_was_written() -> None:
    written = read_spec(stored(1, priority=3, parallel=2))
    text = write_spec(written)

    assert read_spec(text) == written
    assert read_as_stored(text) == written.to_json()


def test_an_outline_says_what_the_spec_says() -> None:
    text = write_spec(read_spec(stored(1, parallel=2)))
    whole, outline = read_spec(text), SpecOutline.of(text)

    assert dict(outline.metrics) == {metric.name: metric.goal for metric in whole.metrics}
    assert outline.parallel == 2
    assert outline.budget == whole.to_json()["budget"]
    assert outline.space == whole.space


def test_an_outline_is_read_where_the_rest_is_of_another_release() -> None:
    text = json.dumps(read_spec(stored(1)).to_json() | {"of_tomorrow": 1})

    assert SpecOutline.of(text).space == read_spec(stored(1)).space
    with pytest.raises(SpecError, match="of_tomorrow"):
        read_spec(text)
