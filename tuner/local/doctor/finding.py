"""What the doctor finds: one line each, with advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: `failed`: something does not work; `warning`: it works, but maybe not for long or not for all.
Level = Literal["ok", "warning", "failed"]
LEVELS: tuple[Level, ...] = ("failed", "warning", "ok")


@dataclass(frozen=True, kw_only=True)
class DoctorFinding:
    """The result of one check.

    Attributes:
        level: its state.
        subject: what was checked, in a word or two.
        text: what was found, or what is wrong; never a secret.
        advice: what to do; empty if there is nothing to do.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""


def ok(subject: str, text: str) -> DoctorFinding:
    """Return a finding for something that is fine."""
    return DoctorFinding(level="ok", subject=subject, text=text)


def warning(subject: str, text: str, advice: str) -> DoctorFinding:
    """Return a finding for something that works but needs attention."""
    return DoctorFinding(level="warning", subject=subject, text=text, advice=advice)


def failed(subject: str, text: str, advice: str) -> DoctorFinding:
    """Return a finding for something that does not work."""
    return DoctorFinding(level="failed", subject=subject, text=text, advice=advice)
