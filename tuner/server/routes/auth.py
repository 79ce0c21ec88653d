"""What a route lets its callers do.

`tuner.server.access` asks `TokenBook.who` before any route is looked for and leaves the answer in
the request; a route says by `needs` what its caller must be allowed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.params import Depends as Dependency
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tuner.account import ACTOR_HEADER, tidy
from tuner.identity import Identity, Scope
from tuner.trials.store.events import acting

_IDENTITY = "tuner.identity"
#: For the description only: by then the token has been looked at.
_bearer = HTTPBearer(auto_error=False)


class Needs:
    """A dependency of routes: refuses whoever has a token that does not allow this.

    A route with a `{project}` in its path is for those whose token is for that project. One
    without is of the whole service, unless it says that it keeps to the caller's projects itself.

    Args:
        scope: what the token must allow.
        keeps_to_own: what the route shows and changes is the caller's, whatever its projects are.
    """

    def __init__(self, scope: Scope, *, keeps_to_own: bool) -> None:
        self.scope = scope
        self.keeps_to_own = keeps_to_own

    # A coroutine, because FastAPI gives a plain function a thread for every request.
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
    """Return the dependency of a route that names the scope it needs; arguments as `Needs`."""
    return Dependency(Needs(scope, keeps_to_own=keeps_to_own))


#: What routes declare. By default what is not a project's is of the whole service.
READ = [needs(Scope.READ)]
SUBMIT = [needs(Scope.SUBMIT)]
ADMIN = [needs(Scope.ADMIN)]
READ_OWN = [needs(Scope.READ, keeps_to_own=True)]
SUBMIT_OWN = [needs(Scope.SUBMIT, keeps_to_own=True)]
WORK_OWN = [needs(Scope.WORK, keeps_to_own=True)]


def identity(scope: MutableMapping[str, Any]) -> Identity:
    """Return who sent a request that has passed the front."""
    found: Identity = scope[_IDENTITY]
    return found


def note_identity(scope: MutableMapping[str, Any], found: Identity) -> None:
    """Leave in a request who sent it."""
    scope[_IDENTITY] = found


# A coroutine: what it sets is seen by the route, in whatever thread that runs.
async def _name_actor(
    request: Request,
    given: Annotated[str | None, Header(alias=ACTOR_HEADER)] = None,
) -> AsyncIterator[None]:
    who = identity(request.scope)
    name = given
    if who.token_id is not None:
        # The token is known, and the account only said.
        name = f"{(given or 'somebody')[:48]} (token {who.name})"
    with acting(tidy(name) if name else None):
        yield


#: Of routes that change something: its event says who asked for it.
NAMES_ACTOR = [Dependency(_name_actor)]
