"""The route that says how many workers are needed, for autoscalers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from tuner.documents.demand import WorkerDemand
from tuner.protocol import MAX_DEVICES, MAX_IMAGE_CHARS, Device
from tuner.server.problems import PREFIX, PROBLEM_RESPONSES
from tuner.server.routes.auth import READ_OWN
from tuner.service.demand.kinds import Like
from tuner.service.demand.reading import Demand


def demand_router(demand: Demand) -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix=PREFIX, responses=PROBLEM_RESPONSES, tags=["workers"])

    @router.get("/demand", dependencies=READ_OWN, response_model=WorkerDemand)
    def read_demand(
        device: Device | None = None,
        gpus: Annotated[int | None, Query(ge=0, le=MAX_DEVICES)] = None,
        image: Annotated[str | None, Query(max_length=MAX_IMAGE_CHARS)] = None,
    ) -> Any:
        """Return how many workers the caller's studies could use now, and why.

        With `device`, `gpus` or `image`, only what such a worker could run counts; an empty image
        is that of a worker without one.
        """
        return demand.read(Like(device=device, gpus=gpus, image=image))

    return router
