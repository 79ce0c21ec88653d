"""What a route allows its callers to do.

`tuner.server.access` calls `TokenBook.who` before a request is routed and stores the answer in the
request; a route declares with `needs` which scope its caller must have.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.params import Depends as Dependency
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tuner.security.account import ACTOR_HEADER, tidy
from tuner.security.identity import Identity, Scope
from tuner.trials.store.events import acting

_IDENTITY = "tuner.identity"
#: For the description only: the token has been checked by then.
_bearer = HTTPBearer(auto_error=False)


class Needs:
    """A dependency of routes: refuses callers whose token does not allow the request.

    A route with a `{project}` in its path requires a token for that project. A route without one
    belongs to the whole service, unless it limits itself to the caller's projects.

    Args:
        scope: the scope that the token must have.
        keeps_to_own: the route shows and changes only what belongs to the caller's projects.
    """

    def __init__(self, scope: Scope, *, keeps_to_own: bool) -> None:
        self.scope = scope
        self.keeps_to_own = keeps_to_own

    # A coroutine, because FastAPI runs a plain function in a thread for every request.
    async def __call__(
        self,
        request: Request,
        _given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,
    ) -> None:
        """Let the request pass.

        Raises:
            ForbiddenError: the token does not allow it.
        """
        found = identity(request.scope)
        found.require(self.scope)
        project = request.path_params.get("project")
        if project is not None:
            found.require_project(project)
        elif not self.keeps_to_own:
            found.require_all_projects()


def needs(scope: Scope, *, keeps_to_own: bool = False) -> Dependency:
    """Return the dependency of a route that names the scope it needs; arguments as for `Needs`."""
    return Dependency(Needs(scope, keeps_to_own=keeps_to_own))


#: What routes declare. By default, a route without a project belongs to the whole service.
READ = [needs(Scope.READ)]
SUBMIT = [needs(Scope.SUBMIT)]
ADMIN = [needs(Scope.ADMIN)]
READ_OWN = [needs(Scope.READ, keeps_to_own=True)]
SUBMIT_OWN = [needs(Scope.SUBMIT, keeps_to_own=True)]
WORK_OWN = [needs(Scope.WORK, keeps_to_own=True)]


def identity(scope: MutableMapping[str, Any]) -> Identity:
    """Return who sent a request that has passed `tuner.server.access`."""
    found: Identity = scope[_IDENTITY]
    return found


def note_identity(scope: MutableMapping[str, Any], found: Identity) -> None:
    """Store in a request who sent it."""
    scope[_IDENTITY] = found


# A coroutine: its context variable is visible to the route, in whatever thread that runs.
async def _name_actor(
    request: Request,
    given: Annotated[str | None, Header(alias=ACTOR_HEADER)] = None,
) -> AsyncIterator[None]:
    who = identity(request.scope)
    name = given
    if who.token_id is not None:
        # The token is known; the account is only claimed.
        name = f"{(given or 'somebody')[:48]} (token {who.name})"
    with acting(tidy(name) if name else None):
        yield


#: For routes that change something: the event records who asked for it.
NAMES_ACTOR = [Dependency(_name_actor)]
