"""What `tuner check` says about a spec's code: what identifies it, what is included or left out."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from tuner.documents.document import JsonObject
from tuner.local.submission import Submission

#: Maximum number of file names shown.
_SHOWN = 6


def describe_code(submission: Submission) -> JsonObject:
    """Return `{snapshot, files, needed, loaded, left_out, text}`; without a snapshot, two of them.

    `needed` are the files that the objective can import: changing their content makes it different
    code. `loaded` is what a trial imported in addition, which `add_loaded` fills in.
    """
    snapshot = submission.snapshot
    if snapshot is None:
        if submission.spec.is_external:
            return {"snapshot": None, "text": "of the script that executes the study"}
        where = "the image" if submission.spec.image else "an installed package"
        return {"snapshot": None, "text": f"{submission.spec.entry} from {where}"}
    count = len(snapshot.files)
    files = f"{count} file{'' if count == 1 else 's'}, {snapshot.size_bytes / 1e3:.0f} kB"
    return {
        "snapshot": snapshot.sha256,
        "files": count,
        "needed": list(submission.needed),
        "loaded": [],
        "left_out": snapshot.left_out,
        "text": f"{files}, snapshot {snapshot.sha256[:12]}",
    }


def add_loaded(code: JsonObject, modules: list[str] | None) -> None:
    """Add the files that a trial has imported and that the search for imports did not find."""
    if "loaded" in code:
        code["loaded"] = sorted(set(modules or ()) - set(code["needed"]))


def print_code(console: Console, code: JsonObject) -> None:
    """Print what the code is, and which files identify the study."""
    console.print(f"[good]ok[/]       code   {escape(code['text'])}", soft_wrap=True)
    if code["snapshot"] is None:
        return
    names = _names([*code["needed"], *code["loaded"]])
    _say(console, f"the objective needs {names}; a change there (comments apart) is other code")
    others = code["files"] - len(code["needed"]) - len(code["loaded"])
    if others:
        what = "file travels" if others == 1 else "files travel"
        _say(console, f"{others} other {what} along and may change without ending it")
    if code["left_out"]:
        _say(console, f"left out: {code['left_out']}")


def _say(console: Console, text: str) -> None:
    console.print(f"                {escape(text)}", soft_wrap=True, style="quiet")


def _names(paths: list[str]) -> str:
    more = len(paths) - _SHOWN
    return ", ".join(paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
