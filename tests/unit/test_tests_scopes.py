"""Which tests run in one process: those of a file, but for the long ones that share nothing."""

from __future__ import annotations

import re
from pathlib import Path

from tests import conftest

ROOT = Path(__file__).parents[2]


def test_what_is_taken_apart_is_there() -> None:
    for test in (*conftest._APART, conftest._GUARDS):
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), test
    assert (ROOT / conftest._WIDE).is_file()
    assert (ROOT / conftest._BROWSER).is_dir()
