"""Routes of one study, which explain failures that are due to the study's damaged rows."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from typing_extensions import override

from tuner.errors import StudyError, TunerError
from tuner.service.service import Service

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
#: Exceptions that are raised on purpose.
_MEANT = (TunerError, HTTPException, RequestValidationError, ClientDisconnect)


def study_routes(service: Service) -> type[APIRoute]:
    """Return the class of all routes that `service` answers.

    If a route fails and a check finds damage in the study's rows, the answer says that, as 409.
    """

    class StudyRoute(APIRoute):
        @override
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def explained(request: Request) -> Response:
                try:
                    return await handle(request)
                except _MEANT:
                    raise
                except Exception as exc:
                    found = await run_in_threadpool(service.find_fault, _study_of(request))
                    if not found:
                        raise
                    raise StudyError(found) from exc

            return explained

    return StudyRoute


def _study_of(request: Request) -> str:
    at = request.path_params
    return f"{at.get('project', '')}/{at.get('study', '')}"
