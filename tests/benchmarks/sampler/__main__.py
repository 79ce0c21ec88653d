"""`python -m tests.benchmarks.sampler`: what needs no server can be run where none is installed."""

from __future__ import annotations

import sys

from tests.benchmarks.sampler.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
