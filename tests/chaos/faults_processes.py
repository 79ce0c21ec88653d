"""Processes that are killed, frozen, or given another clock."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from tests.chaos.faults import DATABASE, EVERYTHING, FLEETS, SERVERS, Fault, FaultKind
from tests.chaos.fleet import Fleet
from tests.chaos.stack import LEASE_S, Kind
from tests.support.patience import wait_until
from tests.support.processes import fork_server, is_alive, send, state
from tests.support.service_process import ServiceProcess

#: Longer than a lease and the beat before it.
PAST_LEASE = (1.4 * LEASE_S, 1.7 * LEASE_S)
#: After the end of its lease.
REPLACED_S = 5.0


class KillTrial(Fault):
    """kill -9 of the process that runs an objective."""

    def begin(self) -> bool:
        busy = [pair for fleet in self.stack.fleets for pair in fleet.busy()]
        return bool(busy) and send(self.chance.choice(busy)[1], signal.SIGKILL)


class KillWorker(Fault):
    """kill -9 of a worker that runs a trial."""

    def begin(self) -> bool:
        busy = [pair for fleet in self.stack.fleets for pair in fleet.busy()]
        if not busy:
            return False
        worker, trial = self.chance.choice(busy)
        killed = send(worker, signal.SIGKILL)
        wait_until(lambda: not is_alive(trial), "the trial dies with its worker", seconds=30)
        return killed


class LoseForkServer(Fault):
    """The process that a worker forks its trials from is killed, or stands still for good."""

    def begin(self) -> bool:
        found = [fork_server(pid) for fleet in self.stack.fleets for pid in fleet.workers()]
        pids = [pid for pid in found if pid is not None]
        number = self.chance.choice([signal.SIGKILL, signal.SIGSTOP])
        self.said = number.name
        return bool(pids) and send(self.chance.choice(pids), number)


class KillSupervisor(Fault):
    """kill -9 of a whole fleet, which is started again like a container."""

    needs = frozenset({FLEETS})

    def begin(self) -> bool:
        self._fleet = self.chance.choice(self.stack.fleets)
        mine = self._fleet.kill()
        wait_until(
            lambda: not any(map(is_alive, mine)),
            "the workers die with their supervisor",
            seconds=30,
        )
        self.prepare(self._fleet)
        return True

    def prepare(self, fleet: Fleet) -> None:
        """Change what the next supervisor is started with."""

    def end(self) -> None:
        self._fleet.start()


class SkewClock(KillSupervisor):
    """A fleet comes back with a clock that is wrong by hours."""

    def prepare(self, fleet: Fleet) -> None:
        hours = self.chance.choice([-9, -3, 2, 7])
        fleet.clock = f"{hours:+}h"
        self.said = f"{fleet.folder.name} {fleet.clock}"


class KillServers(Fault):
    """kill -9 of servers, which are started again."""

    needs = frozenset({SERVERS, DATABASE})

    def chosen(self) -> list[ServiceProcess]:
        """Return the servers to be killed."""
        return list(self.stack.servers)

    def begin(self) -> bool:
        self._servers = self.chosen()
        for server in self._servers:
            server.kill()
        return True

    def end(self) -> None:
        for server in self._servers:
            server.start()


class KillLeader(KillServers):
    """kill -9 of the server whose coordinator leads."""

    def chosen(self) -> list[ServiceProcess]:
        return [self.stack.lead]


class KillStandby(KillServers):
    """kill -9 of the server that does not lead."""

    def chosen(self) -> list[ServiceProcess]:
        lead = self.stack.lead
        return [server for server in self.stack.servers if server is not lead]


class FreezeWorker(Fault):
    """A worker, perhaps with its trial, stands still for longer than the lease, then goes on."""

    def begin(self) -> bool:
        busy = [pair for fleet in self.stack.fleets for pair in fleet.busy()]
        if not busy:
            return False
        self._pids = self.chance.choice(busy)[: self.chance.choice([1, 2])]
        self.said = f"{len(self._pids)} processes"
        if all(send(pid, signal.SIGSTOP) for pid in self._pids):
            return True
        self.end()
        return False

    def end(self) -> None:
        for pid in self._pids:
            # Killed meanwhile, its number may be somebody else's by now.
            if state(pid) == "T":
                send(pid, signal.SIGCONT)


class FreezeLeader(Fault):
    """The leader stands still until the other server leads, and then wakes up."""

    needs = frozenset({SERVERS, DATABASE})

    def begin(self) -> bool:
        self._pid = self.stack.leader_pid()
        if self._pid not in [server.pid for server in self.stack.servers]:
            return False
        send(self._pid, signal.SIGSTOP)
        deadline = time.monotonic() + self.stack.leader_lease_s + REPLACED_S
        while time.monotonic() < deadline:
            if self.stack.leader_pid() not in (0, self._pid):
                return True
            time.sleep(0.05)
        # Frozen inside a transaction, it holds up everyone; so try again.
        send(self._pid, signal.SIGCONT)
        return False

    def end(self) -> None:
        send(self._pid, signal.SIGCONT)


class PowerCut(Fault):
    """Everything is killed at once, and started again."""

    needs = EVERYTHING

    def begin(self) -> bool:
        stack = self.stack
        mine = [pid for fleet in stack.fleets for pid in fleet.kill()]
        for server in stack.servers:
            server.kill()
        assert stack.redis.pid is not None
        send(stack.redis.pid, signal.SIGKILL)
        if stack.postgres is not None:
            stack.postgres.crash()
        wait_until(lambda: not any(map(is_alive, mine)), "the workers die", seconds=30)
        return True

    def end(self) -> None:
        starts: list[Callable[[], None]] = [self.stack.redis.start]
        if self.stack.postgres is not None:
            starts.append(self.stack.postgres.start)
        starts += [server.start for server in self.stack.servers]
        starts += [fleet.start for fleet in self.stack.fleets]
        for start in starts:
            start()


_PG: tuple[Kind, ...] = ("postgresql",)
KINDS: dict[str, FaultKind] = {
    "kill work-horse": FaultKind(make=KillTrial),
    "lose fork server": FaultKind(make=LoseForkServer),
    "kill worker": FaultKind(make=KillWorker),
    "kill supervisor": FaultKind(make=KillSupervisor, lasts=(0.0, 0.5)),
    "kill leader": FaultKind(make=KillLeader, lasts=(0.0, 0.5)),
    "kill standby": FaultKind(make=KillStandby, lasts=(0.0, 0.5), kinds=_PG),
    "API outage past the lease": FaultKind(make=KillServers, lasts=PAST_LEASE),
    "freeze worker past the lease": FaultKind(make=FreezeWorker, lasts=PAST_LEASE),
    "freeze leader, which wakes up": FaultKind(make=FreezeLeader, lasts=(0.3, 1.0), kinds=_PG),
    "clock of workers off by hours": FaultKind(make=SkewClock),
    "power cut": FaultKind(make=PowerCut, lasts=(0.2, 0.8)),
}
