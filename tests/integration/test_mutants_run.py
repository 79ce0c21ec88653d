"""Mutants run in copies of the tree, and the tree itself stays as it is."""

from __future__ import annotations

import pytest

from tests.mutants.mutant import ROOT, Mutant
from tests.mutants.running import run_mutants
from tests.mutants.table import noticed_by

pytestmark = pytest.mark.slow


def test_a_mutant_is_killed_by_a_test_that_passes_without_it_and_survives_others() -> None:
    tests = "tests/unit/test_pareto.py"
    front = "tuner/service/answers/ranking.py"
    text = (ROOT / front).read_text(encoding="utf-8")

    def mutant(name: str, old: str, new: str) -> Mutant:
        return Mutant(name=name, promise="", file=front, old=old, new=new, tests=(tests,))

    broken = mutant("broken", "return a != b and", "return a == b and")
    same = mutant("same", "return a != b and", "return a != b and")
    heard: list[str] = []

    results = run_mutants([broken, same], jobs=1, tell=lambda r: heard.append(r.mutant.name))

    assert [r.verdict for r in results] == ["killed", "survived"]
    assert results[0].killer.startswith(f"{tests}::test_")
    assert noticed_by(results[0].killer).startswith("`test_pareto.py::test_")
    assert heard == ["broken", "same"]
    assert (ROOT / front).read_text(encoding="utf-8") == text


def test_tests_that_fail_anyway_are_no_verdict() -> None:
    said = "Which release this is."
    nowhere = Mutant(
        name="nowhere",
        promise="",
        file="tuner/release.py",
        old=said,
        new=said,
        tests=("tests/unit/test_that_is_not_there.py",),
    )

    (result,) = run_mutants([nowhere], jobs=1, tell=lambda _: None)

    assert result.verdict == "no verdict"
    assert "not found" in result.output
