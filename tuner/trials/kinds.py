"""What a study's trials need of a worker, and what a worker can run.

A trial goes to workers that own exactly as many GPUs as it asks for, as one for the processor goes
to workers without any: on a larger worker the other GPUs would stand idle, paid for, and the study
that needs them all would wait behind it.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol

from tuner.protocol import BEAT_S, Claim, Device
from tuner.spec import StudySpec

#: Stands in the place of a device where no worker executes the trials: in the row of a study whose
#: objective is external, and of a process that claims that study's trials and nothing else.
EXTERNAL: Final = "external"
#: What a worker can run: its device, its image, and how many GPUs it owns. Of a process that claims
#: one study's trials: `EXTERNAL`, the study, and 0.
Kind = tuple[Device | Literal["external"], str | None, int]
#: A worker that was not heard of for this long is not counted on.
UNHEARD_S = 3 * BEAT_S


class Owner(Protocol):
    """A study or a worker, as far as its GPUs go."""

    @property
    def device(self) -> str:
        """Where trials run: `cpu`, `gpu` or `EXTERNAL`."""

    @property
    def gpus(self) -> int | None:
        """How many; None, of an earlier release: one where the device is a GPU."""


class ImageUser(Protocol):
    """A study, as far as its image goes."""

    @property
    def device(self) -> str:
        """As of `Owner`."""

    @property
    def image(self) -> str | None:
        """The only one that its trials run in."""

    @property
    def project(self) -> str:
        """The first part of its name."""

    @property
    def name(self) -> str:
        """The second one."""


class Needy(Owner, ImageUser, Protocol):
    """A study, as far as it says what its trials need."""


def owned_gpus(owner: Owner) -> int:
    """Return the number of GPUs of a study or worker."""
    return max(1, owner.gpus or 1) if owner.device == "gpu" else 0


def matches(study: Needy, device: str, image: str | None, gpus: int) -> bool:
    """Whether a worker of this device and image, with so many GPUs, may run the study's trials."""
    needed = needed_image(study)
    fits = study.device == device and owned_gpus(study) == gpus
    return bool(fits and (needed is None or needed == image))


def device_of(spec: StudySpec) -> str:
    """Return what the row of a study has as its device."""
    if spec.is_external:
        return EXTERNAL
    return "gpu" if spec.trial.gpus else "cpu"


def needed_image(study: ImageUser) -> str | None:
    """Return what the row of a worker must have as its image to run the study's trials."""
    if study.device == EXTERNAL:
        return f"{study.project}/{study.name}"
    return study.image


def claim_kind(claim: Claim, image: str | None) -> Kind:
    """Return what a claim asks for.

    Args:
        claim: as it came.
        image: of the worker, by its token.
    """
    if claim.study is not None:
        return EXTERNAL, claim.study, 0
    return claim.worker.device, image, claim.worker.gpus
