"""`python -m workers.ranks`: one rank, started by torchrun or another launcher."""

from __future__ import annotations

import sys

from workers.ranks.member import run_member

if __name__ == "__main__":
    sys.exit(run_member())
