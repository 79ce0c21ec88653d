"""Everything that the fault suite breaks: databases, Redis, servers, fleets, and the links."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import redis
import sqlalchemy as sa

from tests.chaos.fleet import Fleet
from tests.chaos.guard import Guard
from tests.chaos.history import History
from tests.chaos.http_link import HttpLink
from tests.chaos.links import Link, Network, Target
from tests.chaos.log_root import LogRoot
from tests.chaos.objectives.planting import GUARD, ORDERS
from tests.support.servers import PostgresServer, open_postgres
from tests.support.service_process import Nursery, ServiceProcess
from tuner.queue.redis_server import find_binary, start_redis
from tuner.storage import tables
from tuner.trials.states import OPEN
from tuner.trials.store.columns import words

Kind = Literal["sqlite", "postgresql"]
LEASE_S = 2.5
#: As many workers as there are studies at a time.
FLEETS, WORKERS_PER_FLEET = 2, 3
LATE_S = 1.5
#: A trial lasts no longer while a fault needs them to end.
HURRY_S = 0.4


class Stack:
    """A whole Tuner. Mutable: everything in it is killed and started again.

    On PostgreSQL there are two servers, and each of the two fleets knows both; on SQLite there is
    one. Every connection goes through a link, but for those of the harness itself.

    Args:
        folder: of all files.
        kind: of the database.
        nursery: where servers are forked from.
        log_mb: size of the log root, where it is a file system of its own.
        leader_lease_s: what a standby waits for on PostgreSQL.
    """

    def __init__(
        self, folder: Path, kind: Kind, nursery: Nursery, *, log_mb: int, leader_lease_s: float
    ) -> None:
        self.folder = folder
        self.kind = kind
        self.leader_lease_s = leader_lease_s
        self.log_root = LogRoot(folder / "logs", log_mb)
        self.checkpoints = folder / "checkpoints"
        #: Where planting trials find what to plant, and beside the roots what links lead to.
        self.orders = folder / "orders"
        self.orders.mkdir()
        self.guard = Guard(folder / "guard")
        #: What faults have seen that must not be.
        self.violations: list[str] = []
        self.pace_file = folder / "pace"
        #: How many faults want the trials to be fast.
        self.hurry = 0
        self.history = History(folder / "history.jsonl")
        self.network = Network()
        self._nursery = nursery
        self.redis = start_redis(find_binary().path, folder / "redis")
        self.postgres: PostgresServer | None = None
        self._close = contextlib.ExitStack()
        redis_target = Target(path=self.redis.url.removeprefix("unix://"))
        self.worker_redis = Link(self.network, "worker-redis", redis_target)
        self.server_redis = Link(self.network, "server-redis", redis_target)
        self.server_database: Link | None = None
        self.database_url = self._open_database()
        self._engine = sa.create_engine(self.database_url)
        self.servers = [self._make_server(n) for n in range(1 if kind == "sqlite" else 2)]
        self.worker_server: list[HttpLink] = []
        self.fleets: list[Fleet] = []

    @property
    def lead(self) -> ServiceProcess:
        """The server that leads; the first one while none does."""
        holder = self.leader_pid()
        return next((server for server in self.servers if server.pid == holder), self.servers[0])

    def start(self) -> None:
        """Start servers and fleets; return when all workers are ready."""
        self.set_pace(0.0)
        self.guard.watch()
        for server in self.servers:
            server.start()
        self.worker_server = [self._link_to_server(number) for number in range(FLEETS)]
        self.fleets = [self._make_fleet(number) for number in range(FLEETS)]
        for fleet in self.fleets:
            fleet.start()
        for fleet in self.fleets:
            fleet.wait_ready()

    def set_pace(self, trial_s: float, *, may_hurry: bool = True) -> None:
        """Have every trial take so long, also those that run, unless a fault needs them fast."""
        new = self.pace_file.with_name("pace.new")
        is_hurry = self.hurry and may_hurry
        new.write_text(f"{min(trial_s, HURRY_S) if is_hurry else trial_s:.2f}")
        new.rename(self.pace_file)

    @contextlib.contextmanager
    def rows(self) -> Iterator[sa.Connection]:
        """Read the database, past all links."""
        with self._engine.connect() as connection:
            yield connection

    def select(self, statement: sa.Executable) -> list[sa.Row[Any]]:
        """Return the rows of a statement, past all links."""
        with self.rows() as connection:
            return list(connection.execute(statement))

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Change the database, past all links and everybody who should do it."""
        with self._engine.begin() as connection:
            yield connection

    def is_open(self, study: str) -> bool:
        """Whether a study (`project/name`) has not ended; False while nobody can say."""
        s = tables.studies
        project, _, name = study.partition("/")
        query = sa.select(s.c.state).where(s.c.project == project, s.c.name == name)
        with contextlib.suppress(sa.exc.DBAPIError):
            return [row.state in words(OPEN) for row in self.select(query)] == [True]
        return False

    def leader_pid(self) -> int:
        """Return the process that holds the lead; 0 while nobody does, or nobody can say."""
        with contextlib.suppress(sa.exc.DBAPIError):
            holders = self.select(sa.select(tables.leader.c.holder))
            return int(holders[0].holder.rsplit("-", 2)[1]) if holders else 0
        return 0

    def redis_client(self) -> redis.Redis:
        """Return a client of Redis, past all links."""
        return redis.Redis.from_url(self.redis.url, socket_timeout=30)

    def links(self) -> dict[str, list[Link]]:
        """Return the links by the pair that they join."""
        found: dict[str, list[Link]] = {
            "worker-server": [*self.worker_server],
            "worker-redis": [self.worker_redis],
            "server-redis": [self.server_redis],
        }
        if self.server_database is not None:
            found["server-database"] = [self.server_database]
        return found

    def close(self) -> None:
        """End everything."""
        for fleet in self.fleets:
            if fleet.pid:
                fleet.kill()
        for server in self.servers:
            server.close()
        self.guard.close()
        self._engine.dispose()
        self._close.close()
        self.redis.stop()
        self.network.close()
        self.history.close()
        self.log_root.remove()

    def _open_database(self) -> str:
        if self.kind == "sqlite":
            return f"sqlite:///{self.folder / 'tuner.db'}"
        self.postgres = open_postgres(private=True)
        self._close.callback(self.postgres.stop)
        url = self._close.enter_context(self.postgres.fresh_database())
        socket = f"{sa.make_url(url).query['host']}/.s.PGSQL.5432"
        self.server_database = Link(self.network, "server-database", Target(path=socket))
        return url

    def _link_to_server(self, number: int) -> HttpLink:
        server = self.servers[number % len(self.servers)]
        return HttpLink(
            self.network,
            f"link-{number}",
            Target(port=int(server.url.rpartition(":")[2])),
            history=self.history,
            redis_port=self.worker_redis.port,
            late_s=LATE_S,
        )

    def _make_fleet(self, number: int) -> Fleet:
        # The nearest server first; where there is another one, a worker goes on with that.
        links = [self.worker_server[number]]
        if len(self.servers) > 1:
            links += [link for link in self.worker_server if link is not links[0]]
        return Fleet(
            self.folder / f"fleet-{number}",
            ",".join(f"http://127.0.0.1:{link.port}" for link in links),
            log_root=self.log_root.path,
            checkpoint_root=self.checkpoints,
            count=WORKERS_PER_FLEET,
            pace=self.pace_file,
            environ={ORDERS: str(self.orders), GUARD: str(self.guard.path)},
        )

    def _make_server(self, number: int) -> ServiceProcess:
        home = self.folder / f"server-{number}"
        home.mkdir()
        # As two hosts share it over a network.
        (home / "logs").symlink_to(self.log_root.path)
        (home / "checkpoints").symlink_to(self.checkpoints)
        self.checkpoints.mkdir(exist_ok=True)
        url = sa.make_url(self.database_url)
        if self.server_database is not None:
            port = self.server_database.port
            url = url.set(host="127.0.0.1", port=port, query={})
        return ServiceProcess(
            self._nursery,
            home,
            url.render_as_string(hide_password=False),
            f"redis://127.0.0.1:{self.server_redis.port}/0",
            lease_s=LEASE_S,
            leader_lease_s=self.leader_lease_s,
        )
