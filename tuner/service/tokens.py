"""Creates, lists and revokes tokens: the functions of `tuner token`."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from tuner.documents.tokens import NewToken, TokenRow
from tuner.errors import SetupError, SpecError
from tuner.protocol import NAME_PATTERN, hash_problem
from tuner.security.identity import WORKERS, Identity, Scope, digest_of, new_token
from tuner.service.answers.times import iso
from tuner.settings import Settings
from tuner.storage import Storage
from tuner.storage.engines.conflict import again_after_conflict
from tuner.storage.tokens import Token, add_token, list_tokens, revoke_token
from tuner.trials.store.events import acting_name

#: Maximum lifetime of a token in seconds; `spec.duration` accepts no longer one.
MAX_EXPIRES_S = 1000 * 86_400.0

_BY_DIGEST = (
    "sha256: and 64 hexadecimal digits, with name@ before it or without; a tag can be moved to "
    "another image"
)
_NAME = re.compile(NAME_PATTERN)
_IMAGE = re.compile(r"([a-z0-9][A-Za-z0-9._/:-]{0,254}@)?sha256:[0-9a-f]{64}")


class TokenDesk:
    """The tokens of a database. Thread-safe."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def tokens(self) -> list[TokenRow]:
        """Return every token, newest first, without its secret."""
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            return [_document(token, now) for token in list_tokens(connection)]

    @again_after_conflict
    def create_token(
        self,
        name: str,
        scopes: Collection[str],
        projects: Collection[str] | None = None,
        expires_s: float | None = None,
        image: str | None = None,
        lock: str | None = None,
        files: str | None = None,
    ) -> NewToken:
        """Create a token.

        Args:
            name: the token's name, with the rules for names of studies.
            scopes: at least one `Scope`.
            projects: where it is valid; None: everywhere.
            expires_s: lifetime in seconds; None: until it is revoked.
            image: the image of a worker with it: a reference by digest, or the digest alone.
                Workers with other tokens are then not trusted to run this image.
            lock: SHA-256 of the lock file that this image was built with.
            files: output of `python -m workers measure` in this image.

        Returns:
            As `tokens` lists it, plus `token`: the secret, which cannot be shown a second time.

        Raises:
            SpecError: an argument is wrong.
            StudyError: a token of this name is in force.
        """
        identity = Identity(
            name=_checked_name(name),
            scopes=_checked_scopes(scopes),
            projects=_checked_projects(projects),
            image=_checked_image(image),
            lock=_checked_hash("lock", lock, image),
            files=_checked_hash("files", files, image),
        )
        if expires_s is not None and not 0 < expires_s <= MAX_EXPIRES_S:
            raise SpecError(f"expires: {expires_s:g} s: above 0 and at most 1000 days")
        if image is not None and Scope.WORK not in identity.scopes:
            raise SpecError(f"image: {image!r}: is for the scope work: no other calls from one")
        secret = new_token()
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            expires = None if expires_s is None else now + expires_s
            made = add_token(
                connection,
                identity,
                digest_of(secret),
                now,
                expires=expires,
                actor=acting_name(),
            )
        return {**_document(made, now), "token": secret}

    @again_after_conflict
    def revoke_token(self, name: str) -> TokenRow:
        """Revoke a token; within a second every server refuses it.

        Raises:
            NotFoundError: there is no such token.
        """
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            return _document(revoke_token(connection, name, now), now)


def workers_identity(settings: Settings) -> Identity:
    """Return the identity of the token that a server was given for its workers.

    Raises:
        SetupError: what that token should be bound to is not an image, or there is no such token.
    """
    image, token = settings.worker_image, settings.worker_token
    lock, files = settings.worker_lock, settings.worker_files
    try:
        if image is not None and not _IMAGE.fullmatch(image):
            raise SpecError(f"{image[:300]!r}: {_BY_DIGEST}")
        bound = replace(
            WORKERS,
            image=image,
            lock=_checked_hash("TUNER_WORKER_LOCK", lock, image),
            files=_checked_hash("TUNER_WORKER_FILES", files, image),
        )
    except SpecError as exc:
        raise SetupError(f"TUNER_WORKER_IMAGE: {exc}") from None
    if image is not None and token is None:
        raise SetupError(
            "TUNER_WORKER_IMAGE: binds the token of TUNER_WORKER_TOKEN_FILE, which is not set; for "
            "a token of another kind: tuner token create NAME --scope work --image …"
        )
    return bound


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"name: {name[:80]!r}: 1 to 63 characters a-z, 0-9 and -, first and last not -"
        )
    return name


def _checked_scopes(scopes: Collection[str]) -> frozenset[Scope]:
    known = ", ".join(Scope)
    if not scopes:
        raise SpecError(f"scopes: at least one of {known}")
    wrong = sorted(set(scopes) - set(Scope))
    if wrong:
        raise SpecError(f"scopes: {wrong[0][:80]!r}: one of {known}")
    return frozenset(map(Scope, scopes))


def _checked_projects(projects: Collection[str] | None) -> frozenset[str] | None:
    if projects is None:
        return None
    if not projects:
        raise SpecError("projects: at least one, or none given for all")
    for project in projects:
        if not _NAME.fullmatch(project):
            raise SpecError(f"projects: {project[:80]!r}: no name of a project (a-z, 0-9 and -)")
    return frozenset(projects)


def _checked_image(image: str | None) -> str | None:
    if image is not None and not _IMAGE.fullmatch(image):
        raise SpecError(f"image: {image[:300]!r}: {_BY_DIGEST}")
    return image


def _checked_hash(name: str, value: str | None, image: str | None) -> str | None:
    if value is None:
        return None
    if problem := hash_problem(name, value):
        raise SpecError(problem)
    if image is None:
        raise SpecError(f"{name}: is compared in a worker of an image, and none is given")
    return value


def _document(token: Token, now: float) -> TokenRow:
    who = token.identity
    return {
        "name": who.name,
        "state": token.state(now).value,
        "scopes": [scope.value for scope in sorted(who.scopes)],
        "projects": None if who.projects is None else sorted(who.projects),
        "image": who.image,
        "lock": who.lock,
        "files": who.files,
        "created": iso(token.created),
        "actor": token.actor,
        "expires": iso(token.expires),
        "revoked": iso(token.revoked),
        "last_used": iso(token.last_used),
    }
