"""Workers' routes, without FastAPI's handling of parameters that they do not have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from typing_extensions import override

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
ATTEMPT_ID = "^[A-Za-z0-9-]{1,64}$"
_ATTEMPT_ID = re.compile(ATTEMPT_ID)


class WorkerRoute(APIRoute):
    """A route whose function takes the request, reads its body and returns the response.

    For each request, FastAPI would resolve the function's parameters, which takes as long as the
    rest of its work. A trial makes three such requests, and a fleet of workers makes little else.
    """

    @override
    def get_route_handler(self) -> Handler:
        resolve = super().get_route_handler()
        if not inspect.iscoroutinefunction(self.endpoint):
            return resolve
        required = [one.dependency for one in self.dependencies if one.dependency is not None]

        async def handle(request: Request) -> Response:
            attempt = request.path_params.get("attempt")
            if attempt is not None and _ATTEMPT_ID.fullmatch(attempt) is None:
                return await resolve(request)  # which says what is wrong with it
            for check in required:
                await check(request)
            answer: Response = await self.endpoint(request=request, **request.path_params)
            return answer

        return handle
