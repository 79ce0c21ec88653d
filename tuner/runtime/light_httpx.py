"""httpx without its own command line, which takes two thirds of its import time and 6 MB.

A worker forks for every trial, and each fork copies, scans and frees what is in memory.
"""

from __future__ import annotations

import sys

if "httpx" not in sys.modules:
    # If installed, httpx imports click, rich and pygments for that command; it works without them
    # if this module cannot be found.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    import httpx

    del sys.modules["httpx._main"]
else:
    import httpx

__all__ = ["httpx"]
