"""The FastAPI application: routes under `/v1`, a bearer token, problem documents."""

from __future__ import annotations

import contextlib
import hmac
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from tuner import protocol
from tuner.coordinator.instruments import Instruments
from tuner.release import release
from tuner.server.bell import Bell
from tuner.server.health import Health
from tuner.server.history_routes import history_router
from tuner.server.metrics import Metrics
from tuner.server.operator_routes import health_router, metrics_router
from tuner.server.problems import install_problems
from tuner.server.request_log import RequestLog
from tuner.server.user_routes import user_router
from tuner.server.worker_routes import worker_router
from tuner.service.desk import WorkerDesk
from tuner.service.history import HistoryDesk
from tuner.service.service import Service

#: Requests worked on at once; each holds a database connection only while it needs one.
THREADS = 24

_bearer = HTTPBearer(auto_error=False)


def make_app(
    service: Service,
    desk: WorkerDesk,
    bell: Bell,
    *,
    history: HistoryDesk,
    health: Health,
    metrics: Metrics,
    instruments: Instruments,
    token: str,
    redis_url: str | None,
) -> FastAPI:
    """Return the application.

    Everything needs the token but the documentation and what is asked about health.
    """

    # A coroutine, because FastAPI gives a plain function a thread for every request.
    async def authorize(
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,
    ) -> None:
        if given is None or not hmac.compare_digest(given.credentials.encode(), token.encode()):
            raise HTTPException(
                401, "a valid bearer token is needed", headers={"WWW-Authenticate": "Bearer"}
            )

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        bell.attach()
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield

    app = FastAPI(title="Tuner", version=release(), lifespan=lifespan)
    install_problems(app)
    guarded = [Depends(authorize)]
    workers = worker_router(desk, bell, redis_url, instruments)
    app.include_router(workers, dependencies=guarded)
    app.include_router(user_router(service), dependencies=guarded)
    app.include_router(history_router(history), dependencies=guarded)
    app.include_router(metrics_router(metrics), dependencies=guarded)
    app.include_router(health_router(health))
    app.add_middleware(RequestLog, instruments=instruments)

    @app.get("/v1/health", tags=["service"])
    def who() -> dict[str, Any]:
        """Say who answers; needs no token."""
        return {
            "service": "tuner",
            "release": release(),
            "protocol": protocol.VERSION,
            "pid": os.getpid(),
        }

    return app
