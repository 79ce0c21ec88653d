"""Access control of a private Redis: two users with a few commands each, and nothing else.

Wake-ups need neither scripts nor modules, so these are disabled, as is everything that reads or
writes files, copies data elsewhere or inspects other clients: most known vulnerabilities of Redis
are there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tuner.errors import SetupError

User = Literal["server", "worker"]

#: RQ's keys, which are all that Tuner uses.
_KEYS = "~rq:*"
_CONNECTION = "hello auth ping echo select reset info client|setname client|info"
_TRANSACTION = "multi exec discard watch unwatch"
_READING = "exists ttl llen lrange smembers zrange zcard zscore hget hmget hgetall hstrlen"
#: The commands that RQ's `Queue` needs to send and count wake-ups.
_SENDING = "rpush lrem del expire sadd srem hset"
#: The commands that RQ's `Worker` needs to fetch a wake-up and to record its result. None of them
#: adds an id to a queue: a worker can take wake-ups, but not create any.
_FETCHING = (
    "lmove blmove lrem del expire persist sadd srem hset hdel hincrby hincrbyfloat "
    "zadd zrem zremrangebyscore xadd"
)
_COMMANDS: dict[User, str] = {
    "server": f"{_CONNECTION} {_TRANSACTION} {_READING} {_SENDING}",
    "worker": f"{_CONNECTION} {_TRANSACTION} {_READING} {_FETCHING}",
}

#: Disabled for everybody, in case a vulnerability bypasses the user rules.
_OFF = (
    "eval evalsha script module debug config acl monitor cluster failover replicaof slaveof psync "
    "sync replconf migrate restore restore-asking dump sort keys save bgsave bgrewriteaof shutdown "
    "swapdb pfdebug pfselftest"
)
#: Unknown before 7.0, where naming them would prevent the server from starting.
_OFF_SINCE_7 = "eval_ro evalsha_ro fcall fcall_ro function sort_ro"


@dataclass(frozen=True, kw_only=True)
class RedisAccess:
    """The passwords of a private Redis, and where it listens.

    Attributes:
        server: password of the user `server`, which sends wake-ups.
        worker: password of the user `worker`, which fetches them.
        socket: of the server started last; empty before the first start.
    """

    server: str
    worker: str
    socket: str = ""

    def url(self, user: User) -> str:
        """Return the URL of the socket for a user, including the password."""
        password = self.server if user == "server" else self.worker
        return f"unix://{user}:{password}@{self.socket}"

    def rules(self, version: tuple[int, ...]) -> list[str]:
        """Return the lines of a server's configuration that admit only these users.

        Args:
            version: of the server's command set, as Redis counts it.
        """
        off = f"{_OFF} {_OFF_SINCE_7}" if version >= (7,) else _OFF
        users = [_user("server", self.server), _user("worker", self.worker)]
        closed = [f'rename-command {command.upper()} ""' for command in off.split()]
        return ["user default off resetpass -@all", *users, *closed]


def make_access(path: Path) -> RedisAccess:
    """Return the passwords stored in a file, which is created, owner-only, at the first call.

    Raises:
        SetupError: it cannot be written.
    """
    known = read_access(path)
    if known is not None:
        with contextlib.suppress(OSError):
            path.chmod(0o600)
        return known
    access = RedisAccess(server=secrets.token_urlsafe(32), worker=secrets.token_urlsafe(32))
    write_access(path, access)
    return access


def read_access(path: Path) -> RedisAccess | None:
    """Return the passwords stored in a file, None if there are none."""
    try:
        access = RedisAccess(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return access if access.server and access.worker else None


def write_access(path: Path, access: RedisAccess) -> None:
    """Write the passwords and the socket atomically.

    Raises:
        SetupError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(asdict(access), file)
        temporary.replace(path)
    except OSError as exc:
        raise SetupError(f"{path}: cannot be written: {exc.strerror}") from exc


def _user(name: User, password: str) -> str:
    allowed = " ".join(f"+{command}" for command in _COMMANDS[name].split())
    return f"user {name} on #{_digest(password)} {_KEYS} resetchannels -@all {allowed}"


def _digest(password: str) -> str:
    # The server itself stores no more than this; with 256 random bits a slower hash is unnecessary.
    return hashlib.sha256(password.encode()).hexdigest()
