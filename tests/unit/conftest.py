"""What unit tests share."""

from __future__ import annotations

import pytest

from tests.support.commands import Cli, make_cli


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process; gives exit code, standard output and standard error."""
    return make_cli(capsys)
