"""TensorBoard event files and the JSON files beside them, with the standard library alone."""

from __future__ import annotations

from tuner.tfevents.events import Status
from tuner.tfevents.hparams import session_hparams
from tuner.tfevents.json_file import read_json, write_json
from tuner.tfevents.reader import EventSource, RunEvents, ScalarPoint, read_files, read_run
from tuner.tfevents.writer import RunWriter, event_files

__all__ = [
    "EventSource",
    "RunEvents",
    "RunWriter",
    "ScalarPoint",
    "Status",
    "event_files",
    "read_files",
    "read_json",
    "read_run",
    "session_hparams",
    "write_json",
]
