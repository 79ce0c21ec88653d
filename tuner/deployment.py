"""What must hold before the containers of a Compose deployment start.

`python -m tuner.deployment FOLDER=UID[:GID]…` prints a sentence for each problem and then exits
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
#: Variables that name the images; an image with an empty name was built here.
IMAGES = ("TUNER_IMAGE", "TUNER_SERVER_IMAGE")
#: Variables that hold hashes of the workers' image in addition to its digest, if known.
HASHES = ("TUNER_IMAGE_LOCK", "TUNER_IMAGE_FILES")
_HASH = re.compile(r"[0-9a-f]{64}")
_BY_DIGEST = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]{0,254}@sha256:[0-9a-f]{64}")
_MAX_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume, as seen by this container.

    Attributes:
        folder: where it is mounted.
        uid: the user id of its service.
        gid: the group id of its service.
    """

    folder: Path
    uid: int
    gid: int

    def problem(self) -> str | None:
        """Return why its service could not write there, None if it can."""
        found = self.folder.stat()
        if found.st_uid == self.uid or (self._is_ours() and self._is_writable()):
            return None
        # Docker gives a new volume to the user of the image, once the volume's service is created.
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
            # A new volume is open to all.
            return False

    def _is_ours(self) -> bool:
        return self.uid == os.geteuid()

    def _is_writable(self) -> bool:
        return os.access(self.folder, os.W_OK | os.X_OK)


def read_volume(text: str) -> Volume:
    """Return the volume that `FOLDER=UID[:GID]` describes.

    Raises:
        ValueError: it describes none.
    """
    folder, _, owner = text.rpartition("=")
    uid, _, gid = owner.partition(":")
    return Volume(folder=Path(folder), uid=int(uid), gid=int(gid or uid))


def image_problems(environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the configured images.

    Args:
        environ: contains `IMAGES` and `HASHES`; an empty one is not configured.
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
    """Print the problems; return the exit status."""
    found = (read_volume(text).problem() for text in arguments)
    problems = [*image_problems(environ), *(problem for problem in found if problem)]
    for problem in problems:
        print(f"tuner: {problem}", file=sys.stderr)  # noqa: T201 - the log of the container
    return EXIT_WRONG if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
