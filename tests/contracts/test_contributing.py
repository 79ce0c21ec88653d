"""What CONTRIBUTING.md shows to whoever extends Tuner works as it stands there."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import contributing_page
from tests.support.toy_packages import installed
from tuner.registry import REGISTRIES, used_packages


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("site")
    contributing_page.write_shown(folder)
    with installed(folder):
        yield folder


def shown_tests() -> dict[str, object]:
    """Return what the page's modules of tests define."""
    found: dict[str, object] = {}
    for name, code in contributing_page.files().items():
        if name.startswith("test_"):
            module = types.ModuleType(name.removesuffix(".py"))
            exec(compile(code, name, "exec"), module.__dict__)  # noqa: S102 - of our own page
            found |= {k: v for k, v in vars(module).items() if k.lower().startswith("test")}
    return found


SHOWN = shown_tests()
CASES = [
    (f"{name}.{test}" if isinstance(item, type) else name)
    for name, item in SHOWN.items()
    for test in (sorted(dir(item)) if isinstance(item, type) else [name])
    if test.startswith("test_")
]


@pytest.mark.parametrize("case", CASES)
def test_the_tests_that_the_page_shows_pass(case: str) -> None:
    name, _, method = case.partition(".")
    item = SHOWN[name]
    assert callable(item)
    getattr(item(), method)() if method else item()


def test_the_page_shows_a_package_for_every_kind_of_extension() -> None:
    for registry in REGISTRIES:
        added = set(registry.usable()) - set(registry.built_in)
        assert len(added) == 1, (registry.noun, registry.problems())
        assert registry.package_of(added.pop()) == "tuner-middle 0.3"


def test_the_shown_package_is_what_proposals_record() -> None:
    assert used_packages("middle", "floor") == ("tuner-middle 0.3",)
    assert "middle" in sys.modules
