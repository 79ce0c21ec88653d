"""Claims that look at the database: a few at a time, and none that has waited long for its turn."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable

import httpx
from typing_extensions import override

from tests.support.api_app import TOKEN, api_storage, make_api
from tests.support.patience import clock
from tuner import protocol
from tuner.coordinator.loop import Coordinator
from tuner.server.claim_notifier import ClaimNotifier
from tuner.server.routes.workers import LOOK_WITHIN_S, MAX_LOOKS
from tuner.service.workers.worker_service import WorkerService
from tuner.storage import Storage
from tuner.trials.kinds import Kind

#: Claims beyond those that may look.
MORE = 3


class Desk(WorkerService):
    """Counts who looks."""

    def __init__(self, storage: Storage, coordinator: Coordinator) -> None:
        super().__init__(storage, coordinator)
        self.looked: list[str] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    @override
    def claim(self, claim: protocol.Claim) -> protocol.Assignment | None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.looked.append(claim.worker.name)
        try:
            return super().claim(claim)
        finally:
            with self._lock:
                self._now -= 1


class Bell(ClaimNotifier):
    """Counts who has come."""

    came = 0

    @override
    def waiter(self, kind: Kind) -> asyncio.Future[None]:
        self.came += 1
        return super().waiter(kind)


def test_few_claims_look_at_a_time_and_one_that_has_waited_long_is_answered_without_a_look() -> (
    None
):
    desks: list[Desk] = []

    def make_desk(storage: Storage, coordinator: Coordinator) -> Desk:
        desks.append(Desk(storage, coordinator))
        return desks[0]

    bell = Bell()
    app = make_api(make_desk, bell)
    (desk,) = desks
    first = [f"first-{n}" for n in range(MAX_LOOKS)]
    more = [f"more-{n}" for n in range(MORE)]

    async def claim_all() -> list[int]:
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:

            async def claim(worker: str, wait_s: float = 0.0) -> int:
                sent = await client.post(
                    "/v1/claim", content=claim_of(worker, wait_s), headers=headers
                )
                return sent.status_code

            with api_storage().begin():  # whoever looks waits for it
                early = [asyncio.ensure_future(claim(worker)) for worker in first]
                await until(lambda: len(desk.looked) == MAX_LOOKS, "the first ones look")
                # Its worker would wait for work as long.
                patient = asyncio.ensure_future(claim("patient", wait_s=30.0))
                late = [asyncio.ensure_future(claim(worker)) for worker in more]
                await until(lambda: bell.came == MAX_LOOKS + 1 + MORE, "all have come")
                came = time.monotonic()
                await until(lambda: time.monotonic() > came + 1.5 * LOOK_WITHIN_S, "time passes")
            answers = await asyncio.gather(*early, *late)
            await until(lambda: "patient" in desk.looked, "the patient one looks")
            patient.cancel()
            return answers

    answers = asyncio.run(claim_all())

    assert desk.most == MAX_LOOKS
    assert sorted(desk.looked[:MAX_LOOKS]) == first, "in whatever order"
    assert desk.looked[MAX_LOOKS:] == ["patient"]
    assert answers == [204] * (MAX_LOOKS + MORE)


def claim_of(worker: str, wait_s: float) -> bytes:
    info = protocol.WorkerInfo(name=worker, host="elsewhere", pid=1, device="cpu")
    token = secrets.token_hex(16)
    return protocol.dumps(
        protocol.Claim(token=token, worker=info, wait_s=wait_s, version=protocol.VERSION)
    ).encode()


async def until(holds: Callable[[], bool], what: str) -> None:
    """As `patience.wait_until`, while the application goes on."""
    deadline = clock() + 60.0
    while not holds():
        assert clock() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.01)
