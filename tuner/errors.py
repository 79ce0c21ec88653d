"""The errors a caller can act on, and nothing else.

    TunerError
    ├── SpecError          the user edits the spec, a name or an argument        exit 2
    ├── StudyError         the request does not fit the study as it stands       exit 2
    │   ├── NotFoundError  there is no such study, trial, attempt or worker
    │   └── FencedError    this attempt (or coordinator) has lost its right to write
    ├── UnknownNameError   a registry has no such entry                          exit 2
    ├── SetupError         the machine lacks something; says how to get it       exit 2
    ├── ForbiddenError     the token may not do this; says which scope it lacks  exit 2
    └── UnavailableError   the service, database or Redis cannot be reached; retry

A failing objective is a result of a trial, not an exception of this tree.
"""

from __future__ import annotations

from collections.abc import Iterable


class TunerError(Exception):
    """Base of every error that Tuner raises deliberately; its text is meant for the user."""


class SpecError(TunerError):
    """A study spec, a search space or an argument is wrong: the user edits it.

    Args:
        message: one problem per line, each `file:line:column: field: value: what is allowed`.
    """


class StudyError(TunerError):
    """The request is well formed but does not fit the study's current state."""


class NotFoundError(StudyError):
    """There is no such study, trial, attempt or worker."""


class FencedError(StudyError):
    """The writer has lost its right to write: another attempt or coordinator has taken over."""


class UnknownNameError(TunerError):
    """A registry was asked for a name it does not hold."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}")


class SetupError(TunerError):
    """This machine or environment lacks something; the text names the command that fixes it."""


class ForbiddenError(TunerError):
    """The token may not do this; the text says what it lacks."""


class ClockWarning(UserWarning):
    """The clocks of this machine and of the server differ so much that it does harm."""


class UnavailableError(TunerError):
    """The service, the database or Redis cannot be reached at present; retrying may help."""
