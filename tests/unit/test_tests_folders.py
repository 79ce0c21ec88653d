"""Where tests stand: apart from the programs that they share the folder `tests/` with."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
#: What is run by hand or by make, and what tests share.
PROGRAMS = (
    *("audit", "benchmarks", "chaos", "data", "hypermodels", "mutants", "pictures"),
    *("soak", "support"),
)


def test_beside_programs_stand_no_tests() -> None:
    found = [path for name in PROGRAMS for path in (TESTS / name).rglob("test_*.py")]

    assert [str(path.relative_to(TESTS)) for path in found] == []
    assert [name for name in PROGRAMS if not (TESTS / name).is_dir()] == []
