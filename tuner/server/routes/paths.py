"""Parameters in the paths and queries of requests, as FastAPI checks them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from tuner.protocol import NAME_PATTERN

Name = Annotated[str, Path(pattern=f"^{NAME_PATTERN}$", max_length=63)]
WorkerName = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
Number = Annotated[int, Path(ge=0, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=0, le=10_000)]
Offset = Annotated[int, Query(ge=0, le=2**62)]
EventId = Annotated[int, Query(ge=0, le=2**31 - 1)]
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
