"""The workers' side of the API."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from tuner import protocol
from tuner.release import release
from tuner.server.bell import Bell
from tuner.server.bodies import body_schema, read_message
from tuner.server.problems import PROBLEM_RESPONSES
from tuner.service.desk import WorkerDesk

MAX_WAIT_S = 30.0
AttemptId = Annotated[str, Path(pattern="^[A-Za-z0-9-]{1,64}$")]
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


def _json(message: protocol.Message) -> Response:
    return Response(protocol.dumps(message), media_type="application/json")


def worker_router(desk: WorkerDesk, bell: Bell, redis_url: str | None) -> APIRouter:
    """Return the routes `/config`, `/claim`, `/beat`, `/attempts/…` and `/code/…`."""
    router = APIRouter(tags=["workers"], responses=PROBLEM_RESPONSES)
    _add_config(router, desk, redis_url)
    _add_claim(router, desk, bell)
    _add_attempts(router, desk)
    return router


def _add_config(router: APIRouter, desk: WorkerDesk, redis_url: str | None) -> None:
    @router.get("/config")
    def config() -> dict[str, Any]:
        """What a worker needs to know before its first claim."""
        return {
            "protocol": protocol.VERSION,
            "release": release(),
            "redis_url": redis_url,
            "beat_s": protocol.BEAT_S,
            "lease_s": protocol.LEASE_S,
        }

    @router.get("/code/{digest}", response_class=Response)
    def code(digest: Digest) -> Response:
        """Return a code snapshot (tar.gz)."""
        return Response(desk.code(digest), media_type="application/gzip")


def _add_claim(router: APIRouter, desk: WorkerDesk, bell: Bell) -> None:
    @router.post(
        "/claim",
        response_model=protocol.Assignment,
        responses={204: {"description": "There is no attempt for this worker."}},
        openapi_extra=body_schema(protocol.Claim),
    )
    async def claim(request: Request) -> Response:
        """Lease an attempt; waits up to `wait_s` for one."""
        message = await read_message(request, protocol.Claim)
        deadline = time.monotonic() + min(max(message.wait_s, 0.0), MAX_WAIT_S)
        while True:
            ticket = bell.ticket()
            try:
                assignment = await run_in_threadpool(desk.claim, message)
                if assignment is not None:
                    return _json(assignment)
                left = deadline - time.monotonic()
                if left <= 0:
                    return Response(status_code=204)
                await asyncio.wait([ticket], timeout=left)
            finally:
                ticket.cancel()

    @router.post("/beat", response_model=protocol.Reply, openapi_extra=body_schema(protocol.Beat))
    async def beat(request: Request) -> Response:
        """Extend the lease; learn whether the trial goes on."""
        message = await read_message(request, protocol.Beat)
        return _json(await run_in_threadpool(desk.beat, message))


def _add_attempts(router: APIRouter, desk: WorkerDesk) -> None:
    @router.post(
        "/attempts/{attempt}/report",
        response_model=protocol.Reply,
        openapi_extra=body_schema(protocol.Report),
    )
    async def report(attempt: AttemptId, request: Request) -> Response:
        """Post reports; learn whether the trial goes on."""
        message = await read_message(request, protocol.Report)
        return _json(await run_in_threadpool(desk.report, attempt, message))

    @router.post(
        "/attempts/{attempt}/finish",
        response_model=protocol.Finished,
        openapi_extra=body_schema(protocol.Finish),
    )
    async def finish(attempt: AttemptId, request: Request) -> Response:
        """Hand in the result; the first accepted one is the trial's outcome."""
        message = await read_message(request, protocol.Finish)
        return _json(await run_in_threadpool(desk.finish, attempt, message))
