"""`python -m workers.preflight FD PARENT`: the process that builds."""

from __future__ import annotations

import sys

from workers.preflight.builder import run_builder

if __name__ == "__main__":
    run_builder(int(sys.argv[1]), int(sys.argv[2]))
