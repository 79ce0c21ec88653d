"""`typing.override`, which Python has from 3.12 on, without a run-time dependency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import override
else:

    def override(method: Any) -> Any:
        """Return `method`; only type checkers use the mark."""
        return method


__all__ = ["override"]
