"""The users' side of the API: the verbs of the command line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from tuner.documents.study import StudyStatus
from tuner.documents.submission import Deleted, Edited, Retried, Submitted
from tuner.documents.trial import EventRow, LogPiece, TrialDetail, TrialRow
from tuner.documents.workers import Drained, Tested, WorkerRow
from tuner.server.bodies import read_body, read_json, validate
from tuner.server.limits import MAX_SNAPSHOT_BYTES
from tuner.server.problems import PREFIX, PROBLEM_RESPONSES
from tuner.server.routes.auth import ADMIN, NAMES_ACTOR, READ, READ_OWN, SUBMIT, SUBMIT_OWN
from tuner.server.routes.body_schemas import body_schema
from tuner.server.routes.explanations import add_explanations
from tuner.server.routes.paths import Digest, EventId, Limit, Name, Number, Offset, WorkerName
from tuner.server.routes.study_route import study_routes
from tuner.service.service import Service


class _Git(BaseModel):
    """The state of the submitter's folder."""

    model_config = ConfigDict(extra="forbid")
    commit: Annotated[str, Field(max_length=64)]
    dirty: bool


class _Submission(BaseModel):
    """A study to create or to continue."""

    model_config = ConfigDict(extra="forbid")
    spec: dict[str, Any]
    code: str | None = None
    data: str | None = None
    git: _Git | None = None
    #: Where the study has other code: which of the two its trials run from now on.
    use_code: Literal["old", "new"] | None = None


class _Stop(BaseModel):
    """How a study is stopped."""

    model_config = ConfigDict(extra="forbid")
    now: bool = False


class _Edit(BaseModel):
    """What of a study is changed: new values by key, as `budget.trials`."""

    model_config = ConfigDict(extra="forbid")
    changes: dict[str, Any]


class _Retry(BaseModel):
    """Which trials are tried again; with a spec, new trials run its code."""

    model_config = ConfigDict(extra="forbid")
    failed: Literal[True] = True
    spec: dict[str, Any] | None = None
    code: str | None = None
    data: str | None = None
    git: _Git | None = None


def user_router(service: Service) -> APIRouter:
    """Return the routes of studies, trials and workers."""
    router = APIRouter(
        prefix=PREFIX,
        responses=PROBLEM_RESPONSES,
        dependencies=NAMES_ACTOR,
        route_class=study_routes(service),
    )
    _add_studies(router, service)
    _add_control(router, service)
    _add_trials(router, service)
    add_explanations(router, service)
    _add_workers(router, service)
    return router


def _add_studies(router: APIRouter, service: Service) -> None:
    @router.put("/code/{digest}", dependencies=SUBMIT_OWN, status_code=204, tags=["studies"])
    async def put_code(digest: Digest, request: Request) -> Response:
        """Store a code snapshot (tar.gz) under its SHA-256."""
        content = await read_body(request, MAX_SNAPSHOT_BYTES)
        await run_in_threadpool(service.put_code, digest, content)
        return Response(status_code=204)

    @router.post(
        "/studies",
        dependencies=SUBMIT_OWN,
        tags=["studies"],
        response_model=Submitted,
        openapi_extra=body_schema(_Submission),
    )
    async def submit(request: Request) -> Any:
        """Create a study, or continue the one of the same identity."""
        body = validate(_Submission, await read_json(request))
        git = body.git.model_dump() if body.git is not None else None
        sent = body.spec, body.code, body.data, git, body.use_code
        return await run_in_threadpool(service.submit, *sent)

    @router.get(
        "/studies", dependencies=READ_OWN, tags=["studies"], response_model=list[StudyStatus]
    )
    def studies() -> Any:
        """Return the status of every study, newest first."""
        return service.list()

    @router.get(
        "/studies/{project}/{study}",
        dependencies=READ,
        tags=["studies"],
        response_model=StudyStatus,
    )
    def status(project: Name, study: Name) -> Any:
        """Return the state of a study."""
        return service.status(f"{project}/{study}")

    @router.patch(
        "/studies/{project}/{study}",
        dependencies=SUBMIT,
        tags=["studies"],
        response_model=Edited,
        openapi_extra=body_schema(_Edit),
    )
    async def edit(project: Name, study: Name, request: Request) -> Any:
        """Change budget, parallel, pruner, priority and trial limits."""
        body = validate(_Edit, await read_json(request))
        return await run_in_threadpool(service.edit, f"{project}/{study}", body.changes)

    @router.delete(
        "/studies/{project}/{study}", dependencies=ADMIN, tags=["studies"], response_model=Deleted
    )
    def delete(project: Name, study: Name) -> Any:
        """Delete a study: rows, logs and checkpoints."""
        return service.delete(f"{project}/{study}")

    @router.get(
        "/studies/{project}/{study}/events",
        dependencies=READ,
        tags=["studies"],
        response_model=list[EventRow],
    )
    def events(project: Name, study: Name, after: EventId = 0, limit: Limit = 1000) -> Any:
        """Return the events of a study with an id above `after`."""
        return service.events(f"{project}/{study}", after, limit)


def _add_control(router: APIRouter, service: Service) -> None:
    @router.post(
        "/studies/{project}/{study}/pause",
        dependencies=SUBMIT,
        tags=["control"],
        response_model=StudyStatus,
    )
    def pause(project: Name, study: Name) -> Any:
        """Start no further trial; running ones go on."""
        return service.pause(f"{project}/{study}")

    @router.post(
        "/studies/{project}/{study}/resume",
        dependencies=SUBMIT,
        tags=["control"],
        response_model=StudyStatus,
    )
    def resume(project: Name, study: Name) -> Any:
        """Go on with a paused study."""
        return service.resume(f"{project}/{study}")

    @router.post(
        "/studies/{project}/{study}/stop",
        dependencies=SUBMIT,
        tags=["control"],
        response_model=StudyStatus,
        openapi_extra=body_schema(_Stop, required=False),
    )
    async def stop(project: Name, study: Name, request: Request) -> Any:
        """End a study; running trials finish, or are cancelled with `now`."""
        body = validate(_Stop, await read_json(request))
        return await run_in_threadpool(service.stop, f"{project}/{study}", now=body.now)

    @router.post(
        "/studies/{project}/{study}/cancel",
        dependencies=SUBMIT,
        tags=["control"],
        response_model=StudyStatus,
    )
    def cancel(project: Name, study: Name) -> Any:
        """Cancel a study with all its trials."""
        return service.cancel(f"{project}/{study}")

    @router.post(
        "/studies/{project}/{study}/retry",
        dependencies=SUBMIT,
        tags=["control"],
        response_model=Retried,
        openapi_extra=body_schema(_Retry),
    )
    async def retry(project: Name, study: Name, request: Request) -> Any:
        """Try the configurations of failed trials again, with the code of `spec` if given."""
        body = validate(_Retry, await read_json(request)).model_dump(exclude={"failed"})
        return await run_in_threadpool(service.retry, f"{project}/{study}", **body)

    @router.post(
        "/studies/{project}/{study}/trials/{number}/cancel",
        dependencies=SUBMIT,
        tags=["control"],
        response_model=StudyStatus,
    )
    def cancel_trial(project: Name, study: Name, number: Number) -> Any:
        """Cancel one trial."""
        return service.cancel(f"{project}/{study}", number)


def _add_trials(router: APIRouter, service: Service) -> None:
    @router.get(
        "/studies/{project}/{study}/best",
        dependencies=READ,
        tags=["trials"],
        response_model=list[TrialRow],
    )
    def best(project: Name, study: Name, n: Limit = 10, all: bool = False) -> Any:
        """Return the best trials, best first."""
        return service.best(f"{project}/{study}", n, all=all)

    @router.get(
        "/studies/{project}/{study}/trials",
        dependencies=READ,
        tags=["trials"],
        response_model=list[TrialRow],
    )
    def trials(
        project: Name,
        study: Name,
        state: Literal["waiting", "running", "complete", "pruned", "fail"] | None = None,
        limit: Limit = 1000,
        offset: Offset = 0,
    ) -> Any:
        """Return trials in number order."""
        return service.trials(f"{project}/{study}", state, limit, offset)

    @router.get(
        "/studies/{project}/{study}/trials/{number}",
        dependencies=READ,
        tags=["trials"],
        response_model=TrialDetail,
    )
    def show(project: Name, study: Name, number: Number) -> Any:
        """Return everything about a trial."""
        return service.show(f"{project}/{study}", number)

    @router.get(
        "/studies/{project}/{study}/trials/{number}/log",
        dependencies=READ,
        tags=["trials"],
        response_model=LogPiece,
    )
    def log(
        project: Name,
        study: Name,
        number: Number,
        offset: Annotated[int, Query(ge=-(2**62), le=2**62)] = 0,
        limit: Annotated[int, Query(ge=0, le=1 << 20)] = 65536,
        *,
        raw: bool = False,
    ) -> Any:
        """Return what a trial printed; a negative offset counts from the end."""
        return service.log(f"{project}/{study}", number, offset, limit, raw=raw)


def _add_workers(router: APIRouter, service: Service) -> None:
    @router.get("/workers", dependencies=READ_OWN, tags=["workers"], response_model=list[WorkerRow])
    def workers() -> Any:
        """Return the live workers and what they run."""
        return service.workers()

    @router.post(
        "/workers/{name}/test", dependencies=ADMIN, tags=["workers"], response_model=Tested
    )
    def test(name: WorkerName) -> Any:
        """Have a worker test itself as soon as it is idle."""
        return service.test(name)

    @router.post(
        "/workers/{name}/drain", dependencies=ADMIN, tags=["workers"], response_model=Drained
    )
    def drain(name: WorkerName) -> Any:
        """Have a worker leave when its present trial has ended."""
        return service.drain(name)
