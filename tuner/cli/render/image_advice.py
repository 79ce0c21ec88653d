"""What a submission says about the image of its study: which workers have it, and which not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.documents.workers import WorkerRow


#: Maximum number of workers named that claim the image and are not trusted.
_NAMED = 3


def image_advice(
    image: str, workers: Sequence[WorkerRow], *, own: str | None = None, starts: bool = False
) -> str:
    """Return why no trial of a study can start with the current workers; empty: it can.

    Args:
        image: the image that the study asks for.
        workers: as the service lists them.
        own: the image of the workers that this command starts; None: they have none.
        starts: whether it starts any.
    """
    # The executor of an external study has the study's name as its image.
    present = [row for row in workers if row["device"] != "external" and row["state"] != "stopping"]
    having = [row for row in present if row["image"] == image]
    # A server of an earlier release trusts what a worker says, or gives only a reason.
    liars = [row for row in having if row.get("image_problem")]
    if (starts and own == image) or len(having) > len(liars):
        return ""
    if liars:
        named = "; ".join(f"{row['name']}: {row['image_problem']}" for row in liars[:_NAMED])
        return (
            f"the workers that say they have its image {short_image(image)} get no trials: {named}"
        )
    there = Counter(short_image(row["image"]) for row in present)
    have = ", ".join(f"{name} ({count})" for name, count in sorted(there.items()))
    said = f"the workers have: {have}" if have else "no worker is there"
    if starts:
        said += f"; those that this command starts have {short_image(own)} (TUNER_IMAGE)"
    return (
        f"no worker has its image {short_image(image)}; {said}. Its trials wait for one that has it"
    )


def short_image(image: str | None) -> str:
    """Return an image with the first digits of its digest."""
    if image is None:
        return "none"
    name, mark, digest = image.partition("@sha256:")
    return f"{name}{mark}{digest[:12]}"
