"""Which image a worker runs in, how far that is verified, and why it is not trusted.

The token is what counts: whoever deploys gives it to what is started from that image, and to
nothing else. What a worker measures of itself reveals an image that was changed by mistake, or by
somebody who did not think of it: code that was changed to lie can say what it likes (SECURITY.md).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.protocol import IMAGE_FACTS, Verified, WorkerInfo
from tuner.security.identity import Identity, caller
from tuner.storage.tokens import closes_image
from tuner.trials.store.studies import wanted_image

#: Maximum number of characters stored of what a worker says about its image.
_MAX_IMAGE_CHARS = 300
#: Number of digits of a hash that are shown: they distinguish it from others.
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The service's judgement on what a worker says about its image.

    Attributes:
        worker: what it says of itself, with the image that its token is bound to.
        verified: how far its image is verified; None: it has none.
        problem: why it gets no attempts; empty: its image is trusted.
    """

    worker: WorkerInfo
    verified: Verified | None
    problem: str = ""

    def to_columns(self) -> dict[str, Any]:
        """Return the columns of the worker's row for it."""
        return {"image_verified": self.verified, "image_problem": self.problem}

    def to_json(self) -> str:
        """Return the column of an assigned attempt: the fields of `config.json`."""
        facts = {name: getattr(self.worker, name, None) for name in IMAGE_FACTS}
        return json.dumps({**facts, "image_verified": self.verified})


class Verifier:
    """Verifies the images of calling workers. Thread-safe.

    Args:
        workers: the identity of the token that this server was given for its workers.
    """

    def __init__(self, workers: Identity | None = None) -> None:
        bound = None if workers is None else workers.image
        self._closed = None if bound is None else digest_of_image(bound)

    def verify(self, connection: sa.Connection, worker: WorkerInfo, now: float) -> Verification:
        """Return the judgement on a worker that calls now.

        If a token is bound to a digest only, the name of the image comes from the worker, or, if it
        gives none, from the studies that want this digest.
        """
        who = caller()
        if who.image is None:
            return self._stated(connection, worker, now)
        digest = digest_of_image(who.image)
        problem = _bound_problem(who, worker) or _changed(worker)
        if worker.image is not None and digest_of_image(worker.image) != digest:
            said = worker.image[:_MAX_IMAGE_CHARS]
            problem = (
                f"its token is bound to the image {who.image}, and it says that it runs {said}"
            )
        if problem:
            return Verification(worker=worker, verified="stated", problem=problem)
        image = who.image
        if "@" not in image:
            image = worker.image or wanted_image(connection, digest) or image
        return Verification(worker=dataclasses.replace(worker, image=image), verified=_level(who))

    def _stated(self, connection: sa.Connection, worker: WorkerInfo, now: float) -> Verification:
        """Return the judgement on a worker whose token says nothing about its image."""
        if worker.image is None:
            return Verification(worker=worker, verified=None)
        problem = _changed(worker)
        digest = digest_of_image(worker.image)
        # A caller that may do everything has no reason to lie about it.
        if not problem and not caller().is_operator and self._is_closed(connection, digest, now):
            name, at, _ = worker.image[:_MAX_IMAGE_CHARS].rpartition("@")
            problem = (
                f"it says that it runs {name}{at}{digest[: len('sha256:') + _SHOWN]}…, and a token "
                "is bound to that image: only a worker that calls with such a token is believed"
            )
        return Verification(worker=worker, verified="stated", problem=problem)

    def _is_closed(self, connection: sa.Connection, digest: str, now: float) -> bool:
        return digest == self._closed or closes_image(connection, digest, now)


def digest_of_image(image: str) -> str:
    """Return the digest of a reference: `sha256:…` of `name@sha256:…`."""
    return image.rpartition("@")[2]


def _level(who: Identity) -> Verified:
    """Return how far the image of a worker that matches its token is verified."""
    if who.files is not None:
        return "files"
    return "token" if who.lock is None else "lock"


def _bound_problem(who: Identity, worker: WorkerInfo) -> str:
    """Return how a worker's image differs from what its token says; empty: not at all."""
    for name, bound, said in (
        ("lock", who.lock, worker.lock),
        ("files", who.files, worker.files),
    ):
        if bound is None or bound == said:
            continue
        has = "says none" if said is None else f"has {name} {said[:_SHOWN]}…"
        return (
            f"its token is bound to an image with {name} {bound[:_SHOWN]}…, and its own {has}: "
            "start it from that image, or make a token for this one "
            "(tuner token create … --image-facts FILE)"
        )
    return ""


def _changed(worker: WorkerInfo) -> str:
    """Return how an image was changed after it was built; empty: it was not, as far as it says."""
    built, files = worker.files_built, worker.files
    if built is None or files is None or built == files:
        return ""
    return (
        f"what is installed in its image was changed after the build (built {built[:_SHOWN]}…, now "
        f"{files[:_SHOWN]}…): an image that is built on top of another one measures again, by RUN "
        "python3 -m workers measure --write /app/image.json"
    )
