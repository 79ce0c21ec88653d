"""What users and workers can ask of Tuner, whatever way the question comes in."""

from tuner.service.service import Service

__all__ = ["Service"]
