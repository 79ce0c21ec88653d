"""What has to hold before the containers of a Compose deployment start.

`python -m tuner.deployment FOLDER=UID[:GID]…` says in a sentence each what does not, and then ends
with status 2: as the first service of docker/compose.yaml it keeps the others from starting.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EXIT_WRONG = 2
#: What the images are named by; an empty one was built here.
IMAGES = ("TUNER_IMAGE", "TUNER_SERVER_IMAGE")
#: What is said of the workers' image beside its digest, where it is.
HASHES = ("TUNER_IMAGE_LOCK", "TUNER_IMAGE_FILES")
_HASH = re.compile(r"[0-9a-f]{64}")
_BY_DIGEST = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]{0,254}@sha256:[0-9a-f]{64}")
_MAX_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume as this container sees it.

    Attributes:
        folder: where it is mounted.
        uid: whom its service runs as.
        gid: the same.
    """

    folder: Path
    uid: int
    gid: int

    def problem(self) -> str | None:
        """Return why its service could not write there, None where it can."""
        found = self.folder.stat()
        if found.st_uid == self.uid or (self._is_ours() and self._is_writable()):
            return None
        # Docker gives a new volume to whom the image says, once its service is made.
        if found.st_uid == 0 and not self._is_ours() and self._is_empty():
            return None
        owner = f"{self.uid}:{self.gid}"
        return (
            f"{self.folder}: this volume belongs to uid {found.st_uid}, and its service runs as "
            f"uid {self.uid}; give it to that one: docker compose run --rm --no-deps --user 0 "
            "--cap-add CHOWN --cap-add DAC_READ_SEARCH --entrypoint chown "
            f"check -R {owner} {self.folder}"
        )

    def _is_empty(self) -> bool:
        try:
            return not any(self.folder.iterdir())
        except PermissionError:
            # A new one is open to all.
            return False

    def _is_ours(self) -> bool:
        return self.uid == os.geteuid()

    def _is_writable(self) -> bool:
        return os.access(self.folder, os.W_OK | os.X_OK)


def read_volume(text: str) -> Volume:
    """Return the volume that `FOLDER=UID[:GID]` names.

    Raises:
        ValueError: it names none.
    """
    folder, _, owner = text.rpartition("=")
    uid, _, gid = owner.partition(":")
    return Volume(folder=Path(folder), uid=int(uid), gid=int(gid or uid))


def image_problems(environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the images that are stated.

    Args:
        environ: with `IMAGES` and `HASHES`; one that is empty states nothing.
    """
    hashes = [
        f"{name}={value[:_MAX_SHOWN]}: must be 64 hexadecimal digits, as the image's own "
        "/app/image.json has them (`lock` and `files`), or nothing"
        for name in HASHES
        if (value := environ.get(name, "")) and not _HASH.fullmatch(value)
    ]
    return hashes + [
        f"{name}={image[:_MAX_SHOWN]}: a tag may name another image tomorrow; name it by digest, "
        "as registry/team/image@sha256:… (what `docker buildx imagetools inspect` says), or build "
        "it here with compose.build.yaml"
        for name in IMAGES
        if (image := environ.get(name, "")) and not _BY_DIGEST.fullmatch(image)
    ]


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Say what does not hold; return the exit status."""
    found = (read_volume(text).problem() for text in arguments)
    problems = [*image_problems(environ), *(problem for problem in found if problem)]
    for problem in problems:
        print(f"tuner: {problem}", file=sys.stderr)  # noqa: T201 - the log of the container
    return EXIT_WRONG if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
