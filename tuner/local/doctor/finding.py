"""What the doctor finds: one line each, with what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: `failed`: something does not work; `warning`: it works, and may not for long or not for all.
Level = Literal["ok", "warning", "failed"]
LEVELS: tuple[Level, ...] = ("failed", "warning", "ok")


@dataclass(frozen=True, kw_only=True)
class DoctorFinding:
    """One thing that was looked at.

    Attributes:
        level: how it is.
        subject: what was looked at, in a word or two.
        text: what it is, or what is wrong; never a secret.
        advice: what to do; empty when there is nothing to do.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""


def ok(subject: str, text: str) -> DoctorFinding:
    """Return that something is well."""
    return DoctorFinding(level="ok", subject=subject, text=text)


def warning(subject: str, text: str, advice: str) -> DoctorFinding:
    """Return that something works, and should be seen to."""
    return DoctorFinding(level="warning", subject=subject, text=text, advice=advice)


def failed(subject: str, text: str, advice: str) -> DoctorFinding:
    """Return that something does not work."""
    return DoctorFinding(level="failed", subject=subject, text=text, advice=advice)
