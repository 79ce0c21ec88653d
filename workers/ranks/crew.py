"""The ranks of a trial as seen by its own process: which have connected, reported and ended.

Rank 0 speaks for all: its reports are the trial's, its result is the trial's, and it is the one
that is told to stop. The first rank that fails decides how the trial ends.
"""

from __future__ import annotations

import select
import socket
from dataclasses import dataclass
from typing import Any

from workers.objective.session import Session, Word
from workers.ranks.meeting import MAX_RANKS, admit
from workers.trial.channel import Channel, ChannelError
from workers.trial.heard import HeardEnd, HeardPoint, hear


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A rank that failed, or that disappeared without reporting how it ended."""

    rank: int
    pid: int
    #: What it reported; None: it died without a report.
    end: HeardEnd | None = None


class _Member:
    """A rank that has connected. Mutable: it identifies itself, and ends."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.channel = Channel(connection)
        self.pid = pid
        self.rank: int | None = None
        self.end: HeardEnd | None = None


class Crew:
    """All ranks of a trial. Mutable: they connect, report and end.

    Args:
        listener: the socket to which they connect.
        welcome: what each is sent when it connects.
    """

    def __init__(self, listener: socket.socket, session: Session, welcome: dict[str, Any]) -> None:
        self._listener = listener
        self._session = session
        self._welcome = welcome
        self._members: list[_Member] = []
        self._told: Word = "continue"
        #: The first one that failed.
        self.loss: Loss | None = None
        #: How rank 0 ended, once it has.
        self.end: HeardEnd | None = None

    def look(self, timeout_s: float) -> None:
        """Read the messages of the ranks, waiting at most `timeout_s` seconds for one."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        open_ones = [member for member in self._members if not member.channel.closed]
        for member in open_ones:
            poll.register(member.channel.fileno(), select.POLLIN)
        poll.poll(timeout_s * 1000)
        # One that died without a report comes first: the others then fail because it is missing.
        failed: list[Loss] = []
        for member in open_ones:
            self._hear(member)
            if loss := _loss_of(member):
                failed.append(loss)
        if failed and self.loss is None:
            self.loss = min(failed, key=lambda loss: loss.end is not None)
        if select.select([self._listener], [], [], 0)[0]:
            self._admit()
        self._tell_news()

    def close(self) -> None:
        """Close all connections."""
        for member in self._members:
            member.channel.close()

    def _admit(self) -> None:
        come = admit(self._listener)
        if come is None:
            return
        if len(self._members) >= MAX_RANKS:
            come[0].close()
            return
        self._members.append(_Member(*come))

    def _hear(self, member: _Member) -> None:
        try:
            for message in member.channel.receive():
                self._take(member, message)
        except ChannelError:
            # Close a channel whose other end sends invalid data.
            member.channel.close()
            member.channel.closed = True

    def _take(self, member: _Member, message: dict[str, Any]) -> None:
        if member.rank is None:
            rank = message.get("rank")
            if not isinstance(rank, int) or not 0 <= rank < MAX_RANKS:
                raise ChannelError(f"rank {rank!r}")
            member.rank = rank
            member.channel.send_now(self._welcome)
            return
        heard = hear(message)
        if isinstance(heard, HeardEnd):
            member.end = heard
            if member.rank == 0:
                self.end = heard
        elif isinstance(heard, HeardPoint):
            self._answer(member, heard)

    def _answer(self, member: _Member, point: HeardPoint) -> None:
        """Forward a report of rank 0, and drop those of others, which say the same."""
        word: Word = "continue"
        if member.rank == 0:
            self._session.report(point.step, point.value, point.metrics)
            word = self._told = self._session.word()
        member.channel.send_now({"word": word, "step": point.step})

    def _tell_news(self) -> None:
        """Tell rank 0 that the trial must stop, even between two of its reports."""
        word = self._session.word()
        if word == self._told:
            return
        for member in self._members:
            if member.rank == 0 and member.channel.send_now({"word": word, "step": 0}):
                self._told = word


def _loss_of(member: _Member) -> Loss | None:
    if member.rank is None:
        return None
    if member.end is not None and member.end.outcome == "failed":
        return Loss(rank=member.rank, pid=member.pid, end=member.end)
    if member.end is None and member.channel.closed:
        return Loss(rank=member.rank, pid=member.pid)
    return None
