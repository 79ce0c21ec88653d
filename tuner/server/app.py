"""The FastAPI application: routes under `/v1`, a bearer token, problem documents."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
from fastapi import FastAPI

from tuner import protocol
from tuner.instruments import Instruments
from tuner.release import release
from tuner.server.access import AccessMiddleware
from tuner.server.claim_notifier import ClaimNotifier
from tuner.server.description import add_description
from tuner.server.monitoring.health import ServerHealth
from tuner.server.monitoring.metrics import Metrics
from tuner.server.monitoring.request_log import RequestLog
from tuner.server.problems import install_problems
from tuner.server.routes.demand import demand_router
from tuner.server.routes.history import history_router
from tuner.server.routes.operators import health_router, metrics_router
from tuner.server.routes.tokens import token_router
from tuner.server.routes.users import user_router
from tuner.server.routes.workers import WorkerRedis, worker_router
from tuner.server.token_book import TokenBook
from tuner.service.demand.reading import Demand
from tuner.service.history import HistoryService
from tuner.service.service import Service
from tuner.service.tokens import TokenDesk
from tuner.service.workers.worker_service import WorkerService

#: Number of requests handled at once; each holds a database connection only while it needs one.
THREADS = 24


def make_app(
    service: Service,
    desk: WorkerService,
    bell: ClaimNotifier,
    *,
    history: HistoryService,
    health: ServerHealth,
    metrics: Metrics,
    demand: Demand,
    instruments: Instruments,
    tokens: TokenBook,
    token_desk: TokenDesk,
    redis: WorkerRedis,
) -> FastAPI:
    """Return the application; `tuner.server.access` lists what is open without a token.

    Every other route names the scope that its caller needs (`tuner.server.routes.auth`).
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        bell.attach()
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield

    # Without the framework's routes for the description: ours are cheaper.
    app = FastAPI(title="Tuner", version=release(), lifespan=lifespan, openapi_url=None)
    install_problems(app, add_description(app).methods)
    app.include_router(worker_router(desk, bell, tokens, redis, instruments))
    app.include_router(user_router(service))
    app.include_router(demand_router(demand))
    app.include_router(history_router(history))
    app.include_router(token_router(token_desk, tokens))
    app.include_router(metrics_router(metrics))
    app.include_router(health_router(health))
    app.add_middleware(AccessMiddleware, tokens=tokens)
    # The middleware that is added last is the outermost.
    app.add_middleware(RequestLog, instruments=instruments)

    @app.get("/v1/health", tags=["service"])
    async def who() -> dict[str, Any]:
        """Say who answers; needs no token."""
        return {
            "service": "tuner",
            "release": release(),
            "protocol": protocol.VERSION,
            "pid": os.getpid(),
        }

    return app
