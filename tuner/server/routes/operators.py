"""What operators ask: whether the service is alive, whether it is ready, how it performs."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from tuner.server.monitoring.health import ServerHealth
from tuner.server.monitoring.metrics import Metrics
from tuner.server.problems import PROBLEM_RESPONSES
from tuner.server.routes.auth import READ


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class Ready(BaseModel):
    """Whether the server can do its work, and what is wrong, by part."""

    status: Literal["ready", "not ready"]
    failing: dict[str, str]
    warnings: dict[str, str]


def health_router(health: ServerHealth) -> APIRouter:
    """Return the routes of probes, which need no token and reveal nothing that needs one."""
    router = APIRouter(tags=["service"])

    # A coroutine: it answers even while every thread waits for the database.
    @router.get("/healthz", response_model=Alive)
    async def healthz() -> Alive:
        """Say that the process answers."""
        return Alive(status="alive")

    @router.get(
        "/readyz",
        response_model=Ready,
        responses={503: {"model": Ready, "description": "A part that is needed does not work."}},
    )
    def readyz() -> Response:
        """Say whether the server can do its work: 200, or 503 with the parts that fail."""
        state = health.state()
        ready = Ready(
            status="not ready" if state.failing else "ready",
            failing=dict(state.failing),
            warnings=dict(state.warnings),
        )
        return JSONResponse(ready.model_dump(), status_code=503 if state.failing else 200)

    return router


def metrics_router(metrics: Metrics) -> APIRouter:
    """Return the route that Prometheus scrapes."""
    answers: dict[int | str, dict[str, Any]] = {
        status: PROBLEM_RESPONSES[status] for status in (401, 403, 429, 503)
    }
    router = APIRouter(tags=["service"], responses=answers)

    @router.get("/metrics", response_class=Response, dependencies=READ)
    def show_metrics() -> Response:
        """Return counters, times and states in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
