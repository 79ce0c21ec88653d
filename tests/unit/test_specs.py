"""Specs of studies are parsed once and kept, but not for ever."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from tests.support.hostile.study_faults import spec
from tuner.trials.specs import MOST, Specs


def row(number: int, revision: int = 1) -> Any:
    """Return what of a study's row is looked at."""
    spec_json = json.dumps(spec(f"s{number}"))
    return SimpleNamespace(id=number, revision=revision, spec_json=spec_json)


def test_a_spec_is_parsed_again_only_for_another_revision() -> None:
    specs = Specs()
    first = specs.of(row(1))

    assert specs.of(row(1)) is first
    assert specs.of(row(1, revision=2)) is not first


def test_of_many_studies_the_longest_unused_are_forgotten() -> None:
    specs = Specs()
    first, second = specs.of(row(0)), specs.of(row(1))
    for number in range(2, MOST):
        specs.of(row(number))
    assert specs.of(row(0)) is first

    specs.of(row(MOST))

    assert specs.of(row(0)) is first
    assert specs.of(row(1)) is not second
