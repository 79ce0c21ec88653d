"""Submitting again: notes on the folder's files, and the choice when the study has changed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.cli.printing import say
from tuner.errors import StudyError, TunerError
from tuner.refusal import ChangedError, Refusal

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.submission import Retried, Submitted
    from tuner.local.submission import Submission
    from tuner.service.service import Service

_SHOWN = 3


def send(
    submission: Submission,
    api: ApiClient,
    verb: str,
    spec: Path,
    options: Sequence[str] = (),
    *,
    own_image: str | None = None,
    starts: bool = False,
) -> tuple[Submission, Submitted]:
    """Submit; on a terminal, ask if the study differs in something that may not change.

    If no worker has the image, that is said immediately: otherwise the study would wait silently.

    Args:
        verb: the command that submits, such as `tuner run`.
        options: other options of the command.
        own_image: the image of the workers that the command starts; None: they have none.
        starts: whether it starts workers.

    Returns:
        What was submitted in the end, and the answer.

    Raises:
        StudyError: it differs, and no choice was made; the text lists the choices.
    """
    from tuner.cli.render.imports import send_with_progress

    while True:
        try:
            answer = send_with_progress(submission, api)
            _say_image(submission, api, own_image, starts=starts)
            return submission, answer
        except ChangedError as exc:
            path, given = shlex.quote(str(spec)), [shlex.quote(option) for option in options]
            named = exc.refusal.message(verb, path, submission.name or "", given)
            chosen = _ask(exc.refusal, submission) if _may_ask() else None
            if chosen is None:
                raise StudyError(named) from None
            submission = chosen


def _say_image(submission: Submission, api: ApiClient, own: str | None, *, starts: bool) -> None:
    from tuner.cli.render.image_advice import image_advice

    image = submission.spec.image
    if image is None or submission.spec.is_external:
        return
    try:
        advice = image_advice(image, api.workers(), own=own, starts=starts)
    except TunerError:
        return  # this token may not look at workers; what was submitted stays
    if advice:
        say(f"warning: {advice}", style="warn")


def retry_with(
    submission: Submission, api: Service | ApiClient, study: str, spec: Path | None
) -> Retried:
    """Try the study's failed trials again with the code of a submission.

    Raises:
        StudyError: the study differs in more than its code; the text lists the choices.
    """
    try:
        return submission.retry(api, study)
    except ChangedError as exc:
        path = "SPEC" if spec is None else shlex.quote(str(spec))
        raise StudyError(exc.refusal.message(spec=path, name=submission.name or "")) from None


def file_notes(submission: Submission, answer: Submitted) -> Iterator[tuple[str, str]]:
    """Yield label and text of notes on the folder's files after a submission."""
    if answer["created"]:
        if submission.snapshot is not None and submission.snapshot.left_out:
            yield "left out", submission.snapshot.left_out
        return
    found = answer.get("not_taken") or {"code": [], "other_files": []}
    if found["code"]:
        theirs = _list(found["code"], "; ")
        yield "old code", f"trials continue with the study's code; yours differs: {theirs}"
    elif found["other_files"]:
        names = _list(found["other_files"], ", ")
        verb = "differs" if len(found["other_files"]) == 1 else "differ"
        yield (
            "other files",
            f"{names} {verb} from what the study began with, which trials still use (the "
            "objective does not import them; --code new takes them)",
        )


def _list(items: list[str], between: str) -> str:
    more = len(items) - _SHOWN
    return between.join(items[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _may_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(refusal: Refusal, submission: Submission) -> Submission | None:
    """Return what the user wants to submit instead; None: nothing."""
    from tuner.cli.render.output import err

    what = "its code differs" if refusal.code_only else "differs in what may not change"
    say(f"{refusal.study} exists and {what}:")
    for text in refusal.texts:
        say(f"  {text}")
    ways: dict[str, tuple[str, Submission]] = {}
    if refusal.sibling is not None:
        seed = f", which learns from {refusal.study}" if refusal.learns else ""
        text = f"run it as a study of its own, {refusal.sibling}{seed}"
        ways["s"] = text, submission.renamed(refusal.sibling)
    if refusal.code_only:
        ways["o"] = "continue with the old code", replace(submission, use_code="old")
        ways["n"] = "continue with the new code from now on", replace(submission, use_code="new")
    for letter, (text, _) in ways.items():
        say(f"  {letter}  {text}")
    err().print(f"choose {', '.join(ways)}, or Enter to leave it: ", end="", markup=False)
    answer = sys.stdin.readline().strip().lower()
    return ways[answer[0]][1] if answer[:1] in ways else None
