"""What a study's trials require of a worker, and what a worker can run.

A trial goes only to workers that own exactly as many GPUs as it asks for, and a CPU trial only to
workers without GPUs: on a larger worker the remaining GPUs would stand idle at full cost, and a
study that needs all of them would have to wait.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol

from tuner.protocol import BEAT_S, Claim, Device
from tuner.spec import StudySpec

#: Takes the place of a device if no worker executes the trials: in the row of a study with an
#: external objective, and in that of a process that claims only this study's trials.
EXTERNAL: Final = "external"
#: What a worker can run: its device, its image, and the number of GPUs it owns. For a process that
#: claims a single study's trials: `EXTERNAL`, the study, and 0.
Kind = tuple[Device | Literal["external"], str | None, int]
#: Seconds of silence after which a worker is no longer counted as available.
UNHEARD_S = 3 * BEAT_S


class Owner(Protocol):
    """A study or a worker, reduced to its GPUs."""

    @property
    def device(self) -> str:
        """Where trials run: `cpu`, `gpu` or `EXTERNAL`."""

    @property
    def gpus(self) -> int | None:
        """Number of GPUs; None, from an earlier release: one if the device is a GPU."""


class ImageUser(Protocol):
    """A study, reduced to its image."""

    @property
    def device(self) -> str:
        """See `Owner`."""

    @property
    def image(self) -> str | None:
        """The image that its trials must run in."""

    @property
    def project(self) -> str:
        """First part of its name."""

    @property
    def name(self) -> str:
        """Second part of its name."""


class Needy(Owner, ImageUser, Protocol):
    """A study, reduced to what its trials require."""


def owned_gpus(owner: Owner) -> int:
    """Return the number of GPUs of a study or worker."""
    return max(1, owner.gpus or 1) if owner.device == "gpu" else 0


def matches(study: Needy, device: str, image: str | None, gpus: int) -> bool:
    """Whether a worker with this device, image and number of GPUs may run the study's trials."""
    needed = needed_image(study)
    fits = study.device == device and owned_gpus(study) == gpus
    return bool(fits and (needed is None or needed == image))


def device_of(spec: StudySpec) -> str:
    """Return the value of the device column for a study."""
    if spec.is_external:
        return EXTERNAL
    return "gpu" if spec.trial.gpus else "cpu"


def needed_image(study: ImageUser) -> str | None:
    """Return the image that a worker's row must have to run the study's trials."""
    if study.device == EXTERNAL:
        return f"{study.project}/{study.name}"
    return study.image


def claim_kind(claim: Claim, image: str | None) -> Kind:
    """Return the kind of attempt that a claim asks for.

    Args:
        claim: as received.
        image: of the worker, by its token.
    """
    if claim.study is not None:
        return EXTERNAL, claim.study, 0
    return claim.worker.device, image, claim.worker.gpus
