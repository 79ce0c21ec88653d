"""Wake-ups in Redis that nobody sent: of jobs that are dead, and of jobs that were forged."""

from __future__ import annotations

import json
import secrets
import zlib

from rq import Queue
from rq.serializers import JSONSerializer

from tests.chaos.faults import REDIS, Fault, FaultKind
from tuner.protocol import queue_name

#: Ids of no job; a worker that looks each of them up alone is silenced.
DEAD = (1000, 10_000, 100_000)
#: Inflated by a reader that trusts it.
BOMB_MB = 100


class DeadWakeUps(Fault):
    """The list is full of ids whose jobs are gone."""

    needs = frozenset({REDIS})

    def begin(self) -> bool:
        count = self.chance.choice(DEAD)
        with self.stack.redis_client() as client:
            key = Queue(queue_name("cpu"), connection=client, serializer=JSONSerializer).key
            for start in range(0, count, 1000):
                client.rpush(key, *(f"dead-{n}" for n in range(start, start + 1000)))
        self.said = f"{count} ids"
        return True


class ForgedWakeUps(Fault):
    """Jobs that would run a command, loop, fill the memory, or are no jobs at all."""

    needs = frozenset({REDIS})

    def begin(self) -> bool:
        touched = self.stack.guard.path / "forged"
        command = json.dumps(["os.system", None, [f"touch {touched}"], {}])
        jobs = {
            "command": {"data": zlib.compress(command.encode()), "origin": queue_name("cpu")},
            "again": {"data": command.encode(), "retries_left": "1000000"},
            "bomb": {"data": zlib.compress(bytes(BOMB_MB << 20), 9)},
            "garbage": {"data": b"\x80\x04]", "created_at": "yesterday", "timeout": "soon"},
            "empty": {"status": "queued"},
        }
        with self.stack.redis_client() as client:
            queue = Queue(queue_name("cpu"), connection=client, serializer=JSONSerializer)
            for kind, fields in jobs.items():
                job = f"forged-{kind}-{secrets.token_hex(4)}"
                stamps = {"created_at": "2026-11-22T00:00:00.000000Z", "status": "queued"}
                client.hset(f"rq:job:{job}", mapping={**stamps, **fields})
                client.rpush(queue.key, job)
            client.set("rq:job:forged-string", "is no hash")
            client.rpush(queue.key, "forged-string", "", "\udcff".encode(errors="surrogateescape"))
        return True


KINDS: dict[str, FaultKind] = {
    "dead wake-ups": FaultKind(make=DeadWakeUps),
    "forged wake-ups": FaultKind(make=ForgedWakeUps),
}
