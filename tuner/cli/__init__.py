"""The command line: readable output on a terminal, one JSON document for programs."""

from tuner.cli.main import main

__all__ = ["main"]
