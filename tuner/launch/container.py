"""The image that workers run in on a cluster, by Apptainer.

Only what is pulled by its digest may say which image it is: Apptainer checks what it pulls against
it. Pyxis (enroot) takes no digest, and the file of an image says nothing of the registry's.
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

    #: What Apptainer is given: `docker://name@sha256:…`, or the file of an image.
    source: str
    #: `name@sha256:…`, which the worker states; None where nobody can know it.
    image: str | None
    program: str = "apptainer"

    def command(self, folders: Sequence[str], *, has_gpus: bool) -> list[str]:
        """Return what stands before the program that is to run in the image.

        Args:
            folders: of the node, that are seen inside under the same path.
            has_gpus: whether NVIDIA's driver is to be seen inside.
        """
        binds = [word for folder in dict.fromkeys(folders) for word in ("--bind", folder)]
        return [self.program, "exec", *(["--nv"] if has_gpus else []), *binds, self.source]


def parse_image(text: str) -> Container:
    """Return the container that an option names.

    Args:
        text: `name@sha256:…`, with a registry before and a tag behind the name if there are, or the
            path of a `.sif` file that the nodes see.

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
    # Apptainer takes a tag or a digest, and the digest decides.
    image = f"{match['name']}@{match['digest']}"
    return Container(source=f"docker://{image}", image=image)
