"""Commands of `tuner` in the process of a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tuner.cli.main import main

#: Takes a command's words; gives exit code, standard output and standard error.
Cli = Callable[..., tuple[int, str, str]]


def make_cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return what runs a command in this process."""

    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main(args)
        said = capsys.readouterr()
        return int(exit_info.value.code or 0), said.out, said.err

    return call
