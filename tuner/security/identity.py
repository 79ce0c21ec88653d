"""Who calls, and what they may do: scopes, projects, and the form of a token.

A token is 256 bits from the system's random source, so its SHA-256 can be stored directly: a slow
hash protects secrets that can be guessed, and would slow down every request.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from tuner.errors import ForbiddenError

#: The prefix by which people and secret scanners recognize a token: `tuner_[0-9a-f]{64}`.
TOKEN_PREFIX = "tuner_"  # noqa: S105 - what every token begins with  # nosec B105  # not a secret


class Scope(StrEnum):
    """What a token allows its bearer to do.

    `submit` includes `read`: whoever submits a study wants to see it. `admin` includes all. `work`
    includes nothing else: it is for machines that run other people's code.
    """

    READ = "read"
    SUBMIT = "submit"
    WORK = "work"
    ADMIN = "admin"


_HOLDS: dict[Scope, frozenset[Scope]] = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.SUBMIT: frozenset({Scope.READ, Scope.SUBMIT}),
    Scope.WORK: frozenset({Scope.WORK}),
    Scope.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who calls.

    Attributes:
        name: the token's name, for texts and logs.
        scopes: what the caller may do.
        projects: where; None: in all projects, and in what belongs to no project.
        token_id: row of the token, from 1; None: the server's own token, which may do everything;
            0: the token of its workers.
        image: reference or digest of the image that a worker with this token runs in.
        lock: SHA-256 of the lock file that this image was built with; None: not compared.
        files: output of `python -m workers measure` in this image; None: not compared.
    """

    name: str
    scopes: frozenset[Scope]
    projects: frozenset[str] | None = None
    token_id: int | None = None
    image: str | None = None
    lock: str | None = None
    files: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether one of its scopes includes `scope`."""
        return any(scope in _HOLDS[own] for own in self.scopes)

    @property
    def is_operator(self) -> bool:
        """Whether it may do everything, everywhere."""
        return Scope.ADMIN in self.scopes and self.projects is None

    def sees(self, project: str) -> bool:
        """Whether it may do something in `project`."""
        return self.projects is None or project in self.projects

    def require(self, scope: Scope) -> None:
        """Require a scope.

        Raises:
            ForbiddenError: the caller lacks it; the text says which.
        """
        if not self.may(scope):
            raise ForbiddenError(
                f"this needs a token of scope {scope}; the token {self.name!r} has "
                f"{', '.join(sorted(self.scopes))}"
            )

    def require_project(self, project: str) -> None:
        """Require access to a project, whether or not anything exists in it.

        Raises:
            ForbiddenError: the caller has none.
        """
        if not self.sees(project):
            raise ForbiddenError(
                f"this needs a token for project {project[:63]}; the token {self.name!r} is for "
                f"{_listed(self.projects)}"
            )

    def require_all_projects(self) -> None:
        """Require access to all projects, for what concerns the whole service.

        Raises:
            ForbiddenError: the caller is limited to some projects.
        """
        if self.projects is not None:
            raise ForbiddenError(
                f"this is of the whole service and needs a token for all projects; the token "
                f"{self.name!r} is for {_listed(self.projects)}"
            )


#: The holder of the server's own token, and any process that works on a home's database directly.
OWNER = Identity(name="of the server", scopes=frozenset({Scope.ADMIN}))

#: The holders of the token that the server was given for its workers (`TUNER_WORKER_TOKEN`).
WORKERS = Identity(name="of the workers", scopes=frozenset({Scope.WORK}), token_id=0)

# A context variable rather than an argument, like the actor of an event: what a list leaves out is
# decided far below the route.
_caller: ContextVar[Identity] = ContextVar("caller", default=OWNER)


def caller() -> Identity:
    """Return who calls; outside of a request, the owner of the home."""
    return _caller.get()


@contextlib.contextmanager
def calling(identity: Identity) -> Iterator[None]:
    """Run a block on behalf of `identity`."""
    token = _caller.set(identity)
    try:
        yield
    finally:
        _caller.reset(token)


def new_token() -> str:
    """Return a new secret."""
    return TOKEN_PREFIX + secrets.token_hex(32)


def digest_of(token: str) -> str:
    """Return what is stored of a token: its SHA-256 as hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _listed(projects: frozenset[str] | None) -> str:
    names = sorted(projects or ())
    return f"project {names[0]}" if len(names) == 1 else f"projects {', '.join(names)}"
