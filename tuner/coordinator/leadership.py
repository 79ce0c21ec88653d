"""Who coordinates: a row with holder, epoch and lease. Every coordinator write checks the epoch."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import uuid
from collections.abc import Iterator

import sqlalchemy as sa

from tuner.errors import FencedError, UnavailableError
from tuner.storage import Storage, tables
from tuner.trials.store.studies import skip_gap

#: Seconds after its last extension at which a lead expires.
LEAD_S = 10.0

# Built once, because every writing transaction of the coordinator begins with it.
_PRESENT = (
    sa.select(tables.leader.c.holder, tables.leader.c.epoch)
    .where(tables.leader.c.id == 1)
    .with_for_update(read=True)
)


def is_alive(pid: int) -> bool:
    """Whether a process with this pid exists on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Leadership:
    """This process's claim to be the only coordinator of a database."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.epoch = 0

    def acquire(self) -> bool:
        """Take or extend the lead; return whether this process leads.

        A new holder gets a higher epoch, which fences off writes by the previous one.
        """
        table = tables.leader
        with self._storage.begin("lead") as connection:
            now = self._storage.now(connection)
            row = connection.execute(
                sa.select(table).where(table.c.id == 1).with_for_update()
            ).first()
            if row is None:
                connection.execute(
                    table.insert().values(
                        id=1, holder=self.holder, epoch=1, lease_until=now + LEAD_S
                    )
                )
                self.epoch = 1
                return True
            if row.holder != self.holder and row.lease_until > now:
                return False
            epoch = row.epoch if row.holder == self.holder else row.epoch + 1
            skip_gap(connection, row.lease_until, now)
            connection.execute(
                table.update()
                .where(table.c.id == 1)
                .values(holder=self.holder, epoch=epoch, lease_until=now + LEAD_S)
            )
            self.epoch = epoch
            return True

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Let a thread extend the lead while the block works for longer than a lease may last.

        A lead that was lost is not regained; the next `require` reports it.
        """
        done = threading.Event()

        def extend() -> None:
            while not done.wait(LEAD_S / 3):
                # If the database is unreachable, it is tried again as long as the block works.
                with contextlib.suppress(UnavailableError):
                    self._extend()

        thread = threading.Thread(target=extend, name="lead", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _extend(self) -> None:
        table = tables.leader
        with self._storage.begin("lead") as connection:
            connection.execute(
                table.update()
                .where(table.c.holder == self.holder, table.c.epoch == self.epoch)
                .values(lease_until=self._storage.now(connection) + LEAD_S)
            )

    def release(self) -> None:
        """Give up the lead immediately: a successor need not wait for the lease to expire."""
        with self._storage.begin("release-lead") as connection:
            connection.execute(
                tables.leader.update()
                .where(tables.leader.c.holder == self.holder)
                .values(lease_until=self._storage.now(connection))
            )

    def void_dead_local(self) -> None:
        """End the lead of a process of this host that no longer exists.

        Another host with the same name would be mistaken for this one, and its process for a dead
        one: then the lead changes hands unnecessarily, which is safe thanks to the epochs. So this
        is only used at start, not in every round.
        """
        table = tables.leader
        with self._storage.begin("replace-leader") as connection:
            row = connection.execute(sa.select(table).where(table.c.id == 1)).first()
            if row is None:
                return
            host, pid, _ = row.holder.rsplit("-", 2)
            # In a restarted container, the dead process may have had the same pid as this one.
            is_dead = not is_alive(int(pid)) or int(pid) == os.getpid()
            if host == socket.gethostname() and is_dead and row.holder != self.holder:
                # Not earlier than now: from then on nobody coordinated (`skip_gap`).
                now = min(self._storage.now(connection), row.lease_until)
                connection.execute(
                    table.update().where(table.c.holder == row.holder).values(lease_until=now)
                )

    def require(self, connection: sa.Connection) -> None:
        """Check inside a writing transaction that this process still leads.

        Raises:
            FencedError: another coordinator has taken over.
        """
        row = connection.execute(_PRESENT).first()
        if row is None or row.holder != self.holder or row.epoch != self.epoch:
            raise FencedError("another coordinator leads this database")
