"""One sample: what server, workers, Redis, database and folders take at a moment, by name."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import redis
import sqlalchemy as sa

from tests.soak.service import Service

PROBES = 20
_MB = 1024 * 1024
_BUCKET = re.compile(r'tuner_claim_seconds_bucket\{le="([^"]+)",result="given"\} (\S+)')
#: Of a claim that finds an attempt: differences between two samples.
Buckets = dict[float, float]


class Sampler:
    """Takes samples. Mutable: it knows the counts of the sample before.

    Args:
        service: running.
        api: of its server, with the token.
    """

    def __init__(self, service: Service, api: httpx.Client) -> None:
        self._service = service
        self._api = api
        self._engine = sa.create_engine(service.database_url)
        self._before: Buckets = {}
        self._cpu: dict[str, tuple[float, float]] = {}

    def take(self) -> dict[str, float]:
        """Return every number by its name: what it is of, a dot, what it is."""
        found = {"machine.load": os.getloadavg()[0]}
        found |= self._process("server", self._service.server.pid)
        redis_pid = self._service.redis_pid()
        if redis_pid is not None:
            found |= self._process("redis", redis_pid)
        found |= self._redis()
        found |= self._process("supervisor", self._service.fleet.pid)
        found |= self._workers()
        found |= self._rows()
        found |= self._files()
        found |= self._claims()
        return found

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def _process(self, name: str, pid: int) -> dict[str, float]:
        """Return memory, descriptors, threads and share of a core since the last sample."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return {}
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        moment, before = time.monotonic(), self._cpu.get(name)
        self._cpu[name] = moment, cpu
        found = {
            f"{name}.rss_mb": _number(status, "VmRSS") / 1024,
            f"{name}.threads": _number(status, "Threads"),
        }
        # They hide the rest from whoever is not root.
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            found[f"{name}.own_mb"] = _number(rollup, "Private_Dirty") / 1024
            found[f"{name}.descriptors"] = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        if before is not None and moment > before[0]:
            found[f"{name}.cpu_percent"] = 100 * (cpu - before[1]) / (moment - before[0])
        return found

    def _workers(self) -> dict[str, float]:
        """Return the sums over all workers, and how many processes there are of this soak."""
        sums: dict[str, float] = {}
        for number, pid in enumerate(self._service.fleet.workers()):
            for key, value in self._process(f"worker-{number}", pid).items():
                what = f"workers.{key.partition('.')[2]}"
                sums[what] = sums.get(what, 0.0) + value
        mine = f"CHAOS_ORDERS={self._service.orders}".encode()
        return {**sums, "processes.all": sum(mine in block for block in _environments())}

    def _redis(self) -> dict[str, float]:
        # The user that workers know may ask for little of it; the process is measured anyway.
        url = self._api.get("/config").json()["redis_url"]
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url) as client:
            info = client.info()
            return {
                "redis.used_mb": info["used_memory"] / _MB,
                "redis.keys": client.dbsize(),
                "redis.clients": info["connected_clients"],
            }
        return {}

    def _rows(self) -> dict[str, float]:
        found: dict[str, float] = {}
        with self._engine.connect() as connection:
            for name in sorted(sa.inspect(connection).get_table_names()):
                count = sa.select(sa.func.count()).select_from(sa.table(name))
                found[f"rows.{name}"] = connection.execute(count).scalar_one()
            if self._engine.dialect.name == "postgresql":
                size = connection.execute(sa.text("SELECT pg_database_size(current_database())"))
                found["database.mb"] = size.scalar_one() / _MB
        for part in ("", "-wal"):
            with contextlib.suppress(OSError):
                size_of = (self._service.home / f"tuner.db{part}").stat().st_size
                found[f"database{part}.mb"] = size_of / _MB
        return found

    def _files(self) -> dict[str, float]:
        """Return how many files each root holds, and what they take on the disk."""
        home = self._service.home
        found: dict[str, float] = {}
        for root in ("logs", "checkpoints", "fleet", "redis"):
            count, size = _usage(home / root)
            found |= {f"files.{root}": count, f"disk.{root}_mb": size / _MB}
        found["disk.server_log_mb"] = self._service.log.stat().st_size / _MB
        return found

    def _claims(self) -> dict[str, float]:
        """Return the times of claims: of those that were given, and of a probe that gets none."""
        found: dict[str, float] = {}
        url = str(self._api.base_url).removesuffix("/v1/")
        with contextlib.suppress(httpx.HTTPError):
            buckets = {float(le): float(n) for le, n in _BUCKET.findall(self._metrics(url))}
            since = {le: n - self._before.get(le, 0.0) for le, n in buckets.items()}
            self._before = buckets
            for share in (0.5, 0.99):
                if (value := _quantile(since, share)) is not None:
                    found[f"claims.given_p{share * 100:.0f}_ms"] = 1000 * value
            found["claims.given"] = since.get(float("inf"), 0.0)
            found |= self._probe()
        return found

    def _metrics(self, url: str) -> str:
        return self._api.get(f"{url}/metrics").text

    def _probe(self) -> dict[str, float]:
        # No study asks for this image.
        image = f"soak/probe@sha256:{'0' * 64}"
        worker = {"name": "soak-probe", "host": "elsewhere", "pid": 1, "device": "cpu"}
        body = {"worker": {**worker, "image": image}, "wait_s": 0.0}
        took = []
        for number in range(PROBES):
            began = time.perf_counter()
            answer = self._api.post("/claim", json={**body, "token": f"{number:032x}"})
            took.append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 204, answer.text[:200]
        took.sort()
        return {"claims.probe_median_ms": took[PROBES // 2], "claims.probe_max_ms": took[-1]}


def _quantile(buckets: Buckets, share: float) -> float | None:
    """Return a quantile, interpolated within its bucket as Prometheus does."""
    total = buckets.get(float("inf"), 0.0)
    if not total:
        return None
    low, below = 0.0, 0.0
    for edge, count in sorted(buckets.items()):
        if count >= share * total:
            if edge == float("inf"):
                return low
            return low + (edge - low) * (share * total - below) / max(count - below, 1e-9)
        low, below = edge, count
    return low


def _usage(root: Path) -> tuple[int, int]:
    count = size = 0
    for folder, _, names in os.walk(root):
        count += 1
        for name in names:
            with contextlib.suppress(OSError):
                size += (Path(folder) / name).lstat().st_blocks * 512
                count += 1
    return count, size


def _environments() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            yield path.read_bytes()


def _number(text: str, key: str) -> float:
    match = re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE)
    return float(match[1]) if match else 0.0
