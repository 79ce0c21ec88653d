"""The history's side of the API: what is known, and imports that a command sends in batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from tuner.documents.history import (
    HistoryImport,
    HistoryRejection,
    HistoryRemoved,
    HistoryStudy,
    ImportBegun,
    ImportDone,
    RunsTaken,
)
from tuner.history.store.cleaning import MAX_RUNS
from tuner.history.store.writing import MAX_REJECTED
from tuner.registry import KINDS
from tuner.registry.plugins import NAME
from tuner.server.bodies import read_json, validate
from tuner.server.limits import MAX_BATCH_BYTES
from tuner.server.problems import PREFIX, PROBLEM_RESPONSES
from tuner.server.routes.auth import ADMIN, READ, READ_OWN, SUBMIT
from tuner.server.routes.body_schemas import body_schema
from tuner.server.routes.paths import Number
from tuner.service.history import HistoryService

MAX_BATCH_RUNS = 5000

Key = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9-]{0,120}$")]
Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
Short = Annotated[str, Field(max_length=64)]
Line = Annotated[str, Field(max_length=4096)]
Goal = Literal["maximize", "minimize"]
#: The kind of source that the study was read from.
Kind = Annotated[
    str,
    Field(
        pattern=f"^{NAME.pattern}$",
        description=f"{', '.join(KINDS)}, or the name of a package's importer; none: a path that "
        "was named",
    ),
]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class _Model(BaseModel):
    # Requests and answers have exactly these fields.
    model_config = ConfigDict(extra="forbid")


class _Options(_Model):
    metrics: list[Line]
    goals: list[Goal | None]
    reduce: Literal["last", "best"]


class _Begin(_Model):
    """A study to import into, there or new."""

    key: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,120}$")]
    kind: Kind
    locator: Line


class _Run(_Model):
    """A run as it was read."""

    key: Annotated[str, Field(min_length=1, max_length=1000)]
    stamp: Short
    state: Literal["complete", "pruned", "fail", "running", "open"]
    cause: Short | None = None
    params: dict[str, Scalar]
    metrics: dict[str, float]
    curves: dict[str, list[tuple[int, float]]]
    started: float | None = None
    finished: float | None = None
    run_dir: Line | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None


class _Runs(_Model):
    """Runs of an import."""

    runs: Annotated[list[_Run], Field(max_length=MAX_BATCH_RUNS)]


class _Facts(_Model):
    metrics: dict[str, Goal | None]
    parameters: list[str]
    space: dict[str, Any] | None
    constants: dict[str, Scalar]
    data: Line | None
    code: Line | None
    image: Line | None
    notes: list[Line]
    options: _Options
    totals: dict[str, Count]
    holds: list[Line] = []


class _Rejected(_Model):
    path: Line
    reason: Line
    count: Count


class _Finish(_Model):
    """What is known of the study, and what could not be used of it."""

    stamp: Short
    facts: _Facts
    rejected: Annotated[list[_Rejected], Field(max_length=MAX_REJECTED)]
    own: Count
    replace: bool
    #: Keys of runs that earlier releases mistook for runs.
    gone: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=MAX_RUNS)] = []


def history_router(desk: HistoryService) -> APIRouter:
    """Return the routes of the history."""
    router = APIRouter(prefix=PREFIX, responses=PROBLEM_RESPONSES, tags=["history"])

    @router.get("/history", dependencies=READ_OWN, response_model=list[HistoryStudy])
    def history() -> Any:
        """Return every study of the history, imported or not, newest first."""
        return desk.history()

    @router.get("/history/rejected", dependencies=READ, response_model=list[HistoryRejection])
    def rejected() -> Any:
        """Return what was named at an import and could not be used."""
        return desk.history_rejected()

    @router.get("/history/imports", dependencies=READ, response_model=list[HistoryImport])
    def imports() -> Any:
        """Return every import with its stamp."""
        return desk.history_imports()

    @router.get("/history/{key}/runs", dependencies=READ, response_model=dict[str, str])
    def runs(key: Key) -> Any:
        """Return the stamp of every run of an imported study."""
        return desk.history_runs(key)

    @router.delete("/history/{key}", dependencies=ADMIN, response_model=HistoryRemoved)
    def remove(key: Key) -> Any:
        """Forget an imported study."""
        return desk.remove_history(key)

    _add_importing(router, desk)
    return router


def _add_importing(router: APIRouter, desk: HistoryService) -> None:
    @router.post(
        "/history",
        dependencies=SUBMIT,
        response_model=ImportBegun,
        openapi_extra=body_schema(_Begin),
    )
    async def begin(request: Request) -> Any:
        """Begin to import into a study; nobody sees it before it is finished."""
        body = validate(_Begin, await read_json(request))
        return await run_in_threadpool(desk.history_begin, body.key, body.kind, body.locator)

    @router.post(
        "/history/imports/{number}/runs",
        dependencies=SUBMIT,
        response_model=RunsTaken,
        openapi_extra=body_schema(_Runs),
    )
    async def put(number: Number, request: Request) -> Any:
        """Add runs to an import; the same again have no effect."""
        body = validate(_Runs, await read_json(request, MAX_BATCH_BYTES)).model_dump()
        return await run_in_threadpool(desk.history_put, number, body["runs"])

    @router.post(
        "/history/imports/{number}/finish",
        dependencies=SUBMIT,
        response_model=ImportDone,
        openapi_extra=body_schema(_Finish),
    )
    async def finish(number: Number, request: Request) -> Any:
        """Put an import in place, all of it in one step."""
        body = validate(_Finish, await read_json(request, MAX_BATCH_BYTES)).model_dump()
        return await run_in_threadpool(desk.history_finish, number, body)
