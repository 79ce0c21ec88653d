"""The image that workers run in on a cluster, with Apptainer.

Only an image pulled by its digest may be reported as that image: Apptainer checks what it pulls
against the digest. Pyxis (enroot) accepts no digest, and an image file does not contain the
registry's digest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import SpecError

_DIGEST = re.compile(
    r"(?P<name>[a-z0-9][\w./:-]{0,300}?)(?::[\w.-]{1,128})?@(?P<digest>sha256:[0-9a-f]{64})"
)


@dataclass(frozen=True, kw_only=True)
class Container:
    """An image, and how a worker is started in it."""

    #: Apptainer's argument: `docker://name@sha256:…`, or the path of an image file.
    source: str
    #: `name@sha256:…`, as reported by the worker; None if it cannot be known.
    image: str | None
    program: str = "apptainer"

    def command(self, folders: Sequence[str], *, has_gpus: bool) -> list[str]:
        """Return the words to put before the program that is to run in the image.

        Args:
            folders: of the node, visible inside under the same paths.
            has_gpus: whether to make NVIDIA's driver visible inside.
        """
        binds = [word for folder in dict.fromkeys(folders) for word in ("--bind", folder)]
        return [self.program, "exec", *(["--nv"] if has_gpus else []), *binds, self.source]


def parse_image(text: str) -> Container:
    """Return the container named by an option.

    Args:
        text: `name@sha256:…`, optionally with a registry before and a tag after the name, or the
            path of a `.sif` file that the nodes can see.

    Raises:
        SpecError: it is neither.
    """
    if text.endswith(".sif"):
        path = Path(text).expanduser().absolute()
        if not path.is_file():
            raise SpecError(f"--image {text}: there is no such file")
        return Container(source=str(path), image=None)
    match = _DIGEST.fullmatch(text.removeprefix("docker://"))
    if match is None:
        raise SpecError(
            f"--image {text[:200]!r}: name@sha256:… (a tag may come to mean another image), or the "
            f"path of a .sif file"
        )
    # Apptainer accepts either a tag or a digest, and the digest is decisive.
    image = f"{match['name']}@{match['digest']}"
    return Container(source=f"docker://{image}", image=image)
