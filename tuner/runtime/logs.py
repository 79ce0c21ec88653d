"""How server and workers log: one line per record, as text for people or as JSON for collectors.

Only the command line and `workers/__main__.py` call `configure_logging`. With the standard library
this is short; a logging library would be one more dependency in every training image.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from tuner.errors import SetupError
from tuner.visible import visible

LogFormat = Literal["text", "json"]

#: Attributes of every record, and uvicorn's coloured copy of its message; all others are facts.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "color_message",
    "message",
    "taskName",
}


def parse_log_format(text: str | None) -> LogFormat:
    """Return the format that `TUNER_LOG_FORMAT` names; text if it is not set.

    Raises:
        SetupError: there is no such format.
    """
    if text in (None, "text"):
        return "text"
    if text == "json":
        return "json"
    raise SetupError(f"TUNER_LOG_FORMAT={text}: must be text or json")


class JsonFormatter(logging.Formatter):
    """One JSON object: time (UTC), level, logger, message, the facts of `extra`, exception."""

    def format(  # type: ignore[explicit-override]  # the training image has no `override` on 3.11
        self, record: logging.LogRecord
    ) -> str:
        """Return the record as one line of valid JSON, whatever was logged."""
        line = _head(record) | {"message": record.getMessage()}
        for key, value in _facts(record).items():
            line.setdefault(key, value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return json.dumps(line, default=str, allow_nan=False)
        except (TypeError, ValueError):
            # For NaN, or a mapping with other keys than strings: the text says as much.
            return json.dumps({key: str(value) for key, value in line.items()})


class TextFormatter(logging.Formatter):
    """Time (UTC), level, logger, message and `key=value` for each fact; an exception follows."""

    def format(  # type: ignore[explicit-override]  # as above
        self, record: logging.LogRecord
    ) -> str:
        """Return the record as one line, with more lines only for an exception."""
        head = _head(record)
        facts = "".join(f" {key}={_word(value)}" for key, value in _facts(record).items())
        level = f"{record.levelname:<7}"
        line = f"{head['time']} {level} {record.name}: {record.getMessage()}{facts}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        # It may quote users' data, and the reader is at a terminal.
        return visible(line)


def configure_logging(form: LogFormat, **context: str) -> None:
    """Send the log of this process to standard error; other libraries only from WARNING.

    Args:
        form: for every line, including Python's warnings and uncaught exceptions.
        context: facts to add to every line, such as the worker's name.
    """

    def add_context(record: logging.LogRecord) -> bool:
        for key, value in context.items():
            record.__dict__.setdefault(key, value)
        return True

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(add_context)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("tuner", "workers"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)
    # An uncaught exception may quote users' data, too: it is logged in the same way.
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash


def reset_logging() -> None:
    """Undo `configure_logging`, for a process that runs a user's code."""
    root = logging.getLogger()
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    logging.captureWarnings(False)
    sys.excepthook = sys.__excepthook__
    threading.excepthook = threading.__excepthook__


def _head(record: logging.LogRecord) -> dict[str, Any]:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {
        "time": time.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
    }


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _word(value: object) -> str:
    """Return a value as one word, so that no fact can look like another one or like a line."""
    text = str(value)
    is_plain = text.isprintable() and text and not set(text) & set(' "=')
    return text if is_plain else json.dumps(text)


def _log_crash(
    kind: type[BaseException], value: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("tuner").critical("ended by a fault", exc_info=(kind, value, traceback))


def _log_thread_crash(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        facts = {"where": args.thread.name if args.thread else ""}
        exc_info = (args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger("tuner").error("a thread has failed", exc_info=exc_info, extra=facts)
