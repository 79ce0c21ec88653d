"""Decides which files of a folder are code: defaults, then `.tunerignore` as `.gitignore`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tuner.errors import SpecError

IGNORE_FILE = ".tunerignore"

#: What tools leave behind, and what Tuner writes. `!name` in the ignore file includes one again.
DEFAULTS = (
    ".git/",
    ".hg/",
    ".svn/",
    ".tuner/",
    ".venv*/",
    "venv/",
    "node_modules/",
    "__pycache__/",
    ".ipynb_checkpoints/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".tox/",
    ".nox/",
    ".idea/",
    ".vscode/",
    "*.egg-info/",
    "*.py[cod]",
    "*.swp",
    "*~",
    ".#*",
    ".DS_Store",
    ".env",
    "events.out.tfevents.*",
    IGNORE_FILE,
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One line of an ignore file."""

    pattern: re.Pattern[str]
    only_folders: bool
    takes_back: bool


class IgnoreRules:
    """Rules in order; the last one that matches decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [rule for line in lines if (rule := parse_rule(line)) is not None]

    def is_ignored(self, path: str, *, folder: bool) -> bool:
        """Return whether `path` (relative, with slashes) is ignored.

        The contents of an ignored folder are never looked at, as in git.
        """
        rule = self._last(path, folder=folder)
        return rule is not None and not rule.takes_back

    def takes_back(self, path: str, *, folder: bool) -> bool:
        """Return whether a line `!name` applies to `path`: then it is included in any case."""
        rule = self._last(path, folder=folder)
        return rule is not None and rule.takes_back

    def _last(self, path: str, *, folder: bool) -> Rule | None:
        for rule in reversed(self._rules):
            if (folder or not rule.only_folders) and rule.pattern.fullmatch(path):
                return rule
        return None


def load_rules(folder: Path) -> IgnoreRules:
    """Return the defaults followed by the folder's own ignore file, if it has one.

    Raises:
        SpecError: the ignore file cannot be read as text.
    """
    path = folder / IGNORE_FILE
    try:
        own = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except (OSError, UnicodeDecodeError) as exc:
        raise SpecError(f"{path}: cannot be read: {exc}") from exc
    return IgnoreRules([*DEFAULTS, *own])


@lru_cache(maxsize=512)
def parse_rule(line: str) -> Rule | None:
    """Return the rule in a line, None for a comment or an empty line."""
    text = line.rstrip()
    if not text or text.startswith("#"):
        return None
    takes_back = text.startswith("!")
    text = text.removeprefix("!").removeprefix("\\")
    only_folders = text.endswith("/")
    text = text.rstrip("/")
    # A slash at the start or in the middle anchors the pattern to the top folder.
    anchored = "/" in text
    body = _translate(text.lstrip("/"))
    return Rule(
        pattern=re.compile(body if anchored else f"(?:.*/)?{body}"),
        only_folders=only_folders,
        takes_back=takes_back,
    )


def _translate(glob: str) -> str:
    out, at = [], 0
    while at < len(glob):
        token = re.compile(r"\*\*/|/\*\*$|\*\*?|\?|\[!?\]?[^\]]*\]|.").match(glob, at)
        text = token.group() if token else glob[at]
        out.append(_translate_token(text))
        at += len(text)
    return "".join(out)


def _translate_token(text: str) -> str:
    fixed = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if text in fixed:
        return fixed[text]
    if len(text) > 1 and text.startswith("["):
        inner = text[1:-1].replace("\\", "\\\\")
        return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
    return re.escape(text)
