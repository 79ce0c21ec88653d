"""Why trials were proposed: the receipt of the history, and the records of the proposals."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from tuner.documents.explanations.explanation import Explanation
from tuner.documents.explanations.trial_explanation import TrialExplanation
from tuner.documents.importance import Importance
from tuner.documents.proposals import Proposals
from tuner.server.routes.auth import READ, identity
from tuner.server.routes.paths import Digest, Limit, Name, Number, Offset
from tuner.service.reading import MAX_PAGE
from tuner.service.service import Service


def add_explanations(router: APIRouter, service: Service) -> None:
    """Add the routes of `tuner explain` and `tuner replay`."""

    @router.get(
        "/studies/{project}/{study}/explanation",
        dependencies=READ,
        tags=["studies"],
        response_model=Explanation,
    )
    def explain(project: Name, study: Name, limit: Limit = 100, gain: bool = True) -> Any:
        """Return what a study knew from history; estimating the gain takes a second."""
        return service.explain(f"{project}/{study}", limit, gain=gain)

    @router.get(
        "/studies/{project}/{study}/importance",
        dependencies=READ,
        tags=["studies"],
        response_model=Importance,
    )
    def importance(project: Name, study: Name) -> Any:
        """Return which parameters matter in a study, and which best values lie at an end."""
        return service.importance(f"{project}/{study}")

    @router.get(
        "/studies/{project}/{study}/trials/{number}/explanation",
        dependencies=READ,
        tags=["trials"],
        response_model=TrialExplanation,
    )
    def explain_trial(project: Name, study: Name, number: Number) -> Any:
        """Return why a trial was proposed."""
        return service.explain_trial(f"{project}/{study}", number)

    @router.get(
        "/studies/{project}/{study}/proposals",
        dependencies=READ,
        tags=["trials"],
        response_model=Proposals,
    )
    def proposals(project: Name, study: Name, offset: Offset = 0, limit: Limit = MAX_PAGE) -> Any:
        """Return the records of proposals, from which they can be made again."""
        return service.proposals(f"{project}/{study}", offset, limit)

    @router.get(
        "/studies/{project}/{study}/artifacts/{digest}",
        dependencies=READ,
        tags=["trials"],
        response_class=Response,
        responses={200: {"content": {"application/octet-stream": {}}}},
    )
    def artifact(project: Name, study: Name, digest: Digest, request: Request) -> Response:
        """Return what a sampler knew from history, by the key in the proposals."""
        # It holds results of any study that this one learned from.
        identity(request.scope).require_all_projects()
        content = service.artifact(f"{project}/{study}", digest)
        return Response(content, media_type="application/octet-stream")
