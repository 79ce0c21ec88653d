"""Reads what arrives in pieces: events, and the output of a trial."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.trial import EventRow, LogPiece
    from tuner.service.reading import Reader

_PAGE = 1000
_LOG_PAGE = 1 << 20
_FOLLOW_S = 0.5
#: States of a trial that has ended.
ENDED = ("COMPLETE", "PRUNED", "FAIL")


def all_events(api: Reader | ApiClient, study: str, after: int = 0) -> list[EventRow]:
    """Return every event after event `after`."""
    rows: list[EventRow] = []
    while True:
        page = api.events(study, after=after, limit=_PAGE)
        rows += page
        if len(page) < _PAGE:
            return rows
        after = page[-1]["id"]


@dataclass(frozen=True, kw_only=True)
class Output:
    """A piece of what a trial printed."""

    data: bytes
    #: Where to continue reading, in bytes of the entire output.
    end: int
    #: Number of bytes before these that are no longer kept.
    gone: int


def read_log(api: Reader | ApiClient, study: str, trial: int, offset: int) -> Output:
    """Return the trial's output from byte `offset` to its current end."""
    pieces = []
    gone = 0
    while True:
        page = api.log(study, trial, offset=offset, limit=_LOG_PAGE, raw=True)
        # A server of an earlier release does not say what is gone.
        gone += max(0, page.get("gone", 0) - offset)
        pieces.append(_bytes_of(page))
        if page["next_offset"] <= offset or page["next_offset"] >= page["size"]:
            end = max(offset, page["next_offset"])
            return Output(data=b"".join(pieces), end=end, gone=gone)
        offset = page["next_offset"]


def _bytes_of(page: LogPiece) -> bytes:
    data = page.get("base64")
    # A server of an earlier release sends text, in which bytes that are not UTF-8 are lost already.
    return str(page["text"]).encode() if data is None else base64.b64decode(data)


def follow_log(api: Reader | ApiClient, study: str, trial: int) -> Iterator[Output]:
    """Yield the trial's output as it grows, until the trial has ended."""
    offset = 0
    while True:
        # Requested before the output, so that what is written in between is not missed.
        ended = api.show(study, trial)["state"] in ENDED
        piece = read_log(api, study, trial, offset)
        offset = piece.end
        if piece.data:
            yield piece
        if ended:
            return
        time.sleep(_FOLLOW_S)
