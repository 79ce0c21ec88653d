"""Logs of the workers: one JSON object a line, on standard error."""

from __future__ import annotations

import datetime
import json
import logging
from typing import Any

from workers.typing import override

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """Formats a record with everything that was given in `extra`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(**context: str) -> None:
    """Log to standard error; `context` stands in every line."""

    def add_context(record: logging.LogRecord) -> bool:
        for key, value in context.items():
            record.__dict__.setdefault(key, value)
        return True

    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    handler.addFilter(add_context)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # These log every request, and every message that is fetched.
    for name in ("httpx", "httpcore", "rq", "rq.worker", "rq.job"):
        logging.getLogger(name).setLevel(logging.WARNING)
