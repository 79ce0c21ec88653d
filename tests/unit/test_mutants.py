"""The mutants of `make mutants` fit the code as it is, and docs/mutants.md names all of them."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.mutant import ROOT, Mutant
from tests.mutants.promises import MUTANTS
from tests.mutants.table import PAGE, noticed_in, page_of

NAMES = [mutant.name for mutant in MUTANTS]


def test_there_are_forty_and_each_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) >= 40
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_an_edit_applies_and_leaves_code_that_can_be_read(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")

    edited = mutant.applied(text)

    assert edited != text
    ast.parse(edited)


@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_the_tests_that_have_to_notice_are_there(mutant: Mutant) -> None:
    for test in mutant.tests:
        file, _, name = test.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        assert not name or name in functions


def test_the_page_is_what_the_runner_writes_and_says_that_each_was_noticed() -> None:
    noticed = noticed_in()

    assert PAGE.read_text(encoding="utf-8") == page_of(MUTANTS, noticed)
    assert [name for name in NAMES if not noticed[name].startswith("`test_")] == []


def test_an_edit_that_no_longer_applies_says_what_to_do() -> None:
    mutant = Mutant(name="m", promise="", file="tuner/x.py", old="a", new="b", tests=())

    with pytest.raises(ValueError, match=r"tuner/x\.py holds 'a' 2 times, and must hold it once"):
        mutant.applied("aa")
