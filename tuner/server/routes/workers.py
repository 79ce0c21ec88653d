"""The workers' side of the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from tuner import protocol
from tuner.instruments import Instruments
from tuner.release import release
from tuner.security.identity import Identity
from tuner.server.beat_queue import BeatQueue
from tuner.server.bodies import read_message
from tuner.server.claim_notifier import ClaimNotifier
from tuner.server.problems import PREFIX, PROBLEM_RESPONSES
from tuner.server.routes.auth import WORK_OWN, identity
from tuner.server.routes.body_schemas import body_schema
from tuner.server.routes.paths import Digest
from tuner.server.routes.worker_route import ATTEMPT_ID, WorkerRoute
from tuner.server.token_book import TokenBook
from tuner.service.workers.beats import GivenBeat, is_plain
from tuner.service.workers.worker_service import WorkerService
from tuner.storage.engines.conflict import again_after_conflict
from tuner.trials.kinds import claim_kind

MAX_WAIT_S = 30.0
#: Maximum number of claims that look at the same time. The coordinator computes in a thread beside
#: theirs: with more of them it would have no turn, and there would be nothing to claim.
MAX_LOOKS = 4
#: Seconds after which a claim is answered without a look: its worker asks again in its time.
LOOK_WITHIN_S = 1.0
#: Seconds between checks of a waiting claim's token; with what `TokenBook` caches, a revoked token
#: ends it within a second.
RECHECK_S = 0.4
AttemptId = Annotated[str, Path(pattern=ATTEMPT_ID)]


@dataclass(frozen=True, kw_only=True)
class WorkerRedis:
    """Where workers get wake-ups from.

    Attributes:
        url: for clients that may do everything; None: there is no Redis.
        fetching_url: with a user who can only fetch wake-ups; None: there is none.
    """

    url: str | None
    fetching_url: str | None

    def url_for(self, who: Identity) -> str | None:
        """Return the URL to tell a worker; None: it asks the server for work instead."""
        return self.url if who.is_operator else self.fetching_url


def _json(message: protocol.Message) -> Response:
    return Response(protocol.dumps(message), media_type="application/json")


async def _has_hung_up(request: Request) -> bool:
    """Whether the client has disconnected; the request's body was read before."""
    # The end of a connection that came together with the request is noticed one round of the loop
    # later, and passed to the application in the round after that.
    for _ in range(2):
        await asyncio.sleep(0)
    return await request.is_disconnected()


async def _wait(
    ticket: asyncio.Future[None], deadline: float, recheck: Callable[[], Awaitable[None]]
) -> None:
    """Wait for a notification until `deadline`, as long as the token stays valid."""
    while not ticket.done() and (left := deadline - time.monotonic()) > 0:
        await asyncio.wait([ticket], timeout=min(left, RECHECK_S))
        await recheck()


def worker_router(
    desk: WorkerService,
    bell: ClaimNotifier,
    tokens: TokenBook,
    redis: WorkerRedis,
    instruments: Instruments,
) -> APIRouter:
    """Return the routes `/config`, `/claim`, `/beat`, `/attempts/…` and `/code/…`."""
    router = APIRouter(
        prefix=PREFIX, tags=["workers"], responses=PROBLEM_RESPONSES, route_class=WorkerRoute
    )
    _add_config(router, desk, redis)
    _add_claim(router, desk, bell, tokens, instruments)
    _add_beat(router, desk, instruments)
    _add_attempts(router, desk, instruments)
    return router


def _add_config(router: APIRouter, desk: WorkerService, redis: WorkerRedis) -> None:
    @router.get(
        "/config",
        dependencies=WORK_OWN,
    )
    def config(request: Request) -> dict[str, Any]:
        """What a worker needs to know before its first claim."""
        return {
            "protocol": protocol.VERSION,
            "release": release(),
            "redis_url": redis.url_for(identity(request.scope)),
            "beat_s": protocol.BEAT_S,
            "lease_s": protocol.LEASE_S,
        }

    @router.get("/code/{digest}", dependencies=WORK_OWN, response_class=Response)
    def code(digest: Digest) -> Response:
        """Return a code snapshot (tar.gz)."""
        return Response(desk.code(digest), media_type="application/gzip")


def _add_claim(
    router: APIRouter,
    desk: WorkerService,
    bell: ClaimNotifier,
    tokens: TokenBook,
    instruments: Instruments,
) -> None:
    claim_desk = again_after_conflict(desk.claim)
    looks = asyncio.Semaphore(MAX_LOOKS)

    @router.post(
        "/claim",
        dependencies=WORK_OWN,
        response_model=protocol.Assignment,
        responses={204: {"description": "There is no attempt for this worker."}},
        openapi_extra=body_schema(protocol.Claim),
    )
    async def claim(request: Request) -> Response:
        """Lease an attempt; waits up to `wait_s` for one."""
        message = await read_message(request, protocol.Claim)
        deadline = time.monotonic() + min(max(message.wait_s, 0.0), MAX_WAIT_S)
        caller = identity(request.scope)
        # If a token is bound to a digest only, the name of the image becomes known later.
        is_bound = caller.image is not None and "@" in caller.image
        kind = claim_kind(message, caller.image if is_bound else message.worker.image)
        while True:
            ticket = bell.waiter(kind)
            try:
                if await _has_hung_up(request):
                    # The worker has given this claim up or sends it again, so an attempt would have
                    # no owner.
                    return Response(status_code=204)
                start = time.monotonic()
                async with looks:
                    if time.monotonic() > start + max(message.wait_s, LOOK_WITHIN_S):
                        return Response(status_code=204)
                    assignment = await run_in_threadpool(claim_desk, message)
                instruments.claimed(time.monotonic() - start, given=assignment is not None)
                if assignment is not None:
                    return _json(assignment)
                if time.monotonic() >= deadline:
                    return Response(status_code=204)
                await _wait(ticket, deadline, lambda: tokens.recheck(caller))
            finally:
                ticket.cancel()


def _add_beat(router: APIRouter, desk: WorkerService, instruments: Instruments) -> None:
    beat_desk = again_after_conflict(desk.beat)
    beats = BeatQueue(again_after_conflict(desk.take_beats))

    @router.post(
        "/beat",
        dependencies=WORK_OWN,
        response_model=protocol.Reply,
        openapi_extra=body_schema(protocol.Beat),
    )
    async def beat(request: Request) -> Response:
        """Extend the lease; learn whether the trial goes on."""
        message = await read_message(request, protocol.Beat)
        if await _has_hung_up(request):
            # The caller has disconnected, so its message may be outdated.
            return Response(status_code=204)
        with instruments.calling("beat"):
            reply: protocol.Reply | None = None
            if is_plain(message):
                reply = await beats.take(GivenBeat(caller=identity(request.scope), beat=message))
            if reply is None:
                reply = await run_in_threadpool(beat_desk, message)
            return _json(reply)


def _add_attempts(router: APIRouter, desk: WorkerService, instruments: Instruments) -> None:
    report_desk = again_after_conflict(desk.report)
    finish_desk = again_after_conflict(desk.finish)

    @router.post(
        "/attempts/{attempt}/report",
        dependencies=WORK_OWN,
        response_model=protocol.Reply,
        openapi_extra=body_schema(protocol.Report),
    )
    async def report(attempt: AttemptId, request: Request) -> Response:
        """Post reports; learn whether the trial goes on."""
        message = await read_message(request, protocol.Report)
        with instruments.calling("report"):
            return _json(await run_in_threadpool(report_desk, attempt, message))

    @router.post(
        "/attempts/{attempt}/finish",
        dependencies=WORK_OWN,
        response_model=protocol.Finished,
        openapi_extra=body_schema(protocol.Finish),
    )
    async def finish(attempt: AttemptId, request: Request) -> Response:
        """Hand in the result; the first accepted one is the trial's outcome."""
        message = await read_message(request, protocol.Finish)
        with instruments.calling("finish"):
            return _json(await run_in_threadpool(finish_desk, attempt, message))
