"""What unit tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import Cli, make_cli

if TYPE_CHECKING:
    from tests.support.hostile.study_faults import House


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process; gives exit code, standard output and standard error."""
    return make_cli(capsys)


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home whose database is empty, to be copied: to make one takes as long as a test."""
    # The service takes a second to import, which most unit tests do without.
    from tests.support.databases.growing_lab import make_empty

    return make_empty(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def house(tmp_path: Path, empty_home: Path) -> Iterator[House]:
    """Give a house of the test's own, whose database is empty."""
    from tests.support.databases.growing_lab import open_copy

    with open_copy(empty_home, tmp_path) as house:
        yield house
